//! Stand-in functions.
use super::module::{Args, FunctionContext, register_function};
use crate::error::Result;
use crate::value::Value;
use std::ffi::CStr;
pub const HYBRID_POINTER: &CStr = c"nearlite_hybrid";
pub struct HybridQuery { pub text: Option<String>, pub vector: Option<Value>, pub subtype: u32, pub options: Option<String> }
pub fn register(conn: &rusqlite::Connection) -> Result<()> {
    fn hybrid(out: &mut FunctionContext<'_>, args: &Args<'_>) -> Result<()> {
        let text = |at| Value::from(args.value(at)).as_text().map(str::to_owned);
        let q = HybridQuery { text: text(0), vector: Some(Value::from(args.value(1))), subtype: args.subtype(1), options: text(2) };
        out.set_pointer(Box::new(q), HYBRID_POINTER);
        Ok(())
    }
    register_function(conn, "hybrid_query", 2, hybrid)?;
    register_function(conn, "hybrid_query", 3, hybrid)
}
