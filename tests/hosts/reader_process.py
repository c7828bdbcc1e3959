"""A second process for test_processes.py: obeys one JSON command a line on stdin, answers with one JSON line.

Commands: {"sql": ..., "params": [...]} runs a statement; parameters that are {"blob": hex} become bytes.
"""

import json
import sys

import hosts


def main():
    host = next(host for host in hosts.HOSTS if host.name == sys.argv[1])
    db = host.open(sys.argv[2])
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        command = json.loads(line)
        params = [bytes.fromhex(p["blob"]) if isinstance(p, dict) else p for p in command.get("params", [])]
        try:
            rows = db.rows(command["sql"], *params)
            answer = {"rows": [[f"blob {v.hex()}" if isinstance(v, bytes) else v for v in row] for row in rows]}
        except db.errors as error:
            answer = {"error": str(error)}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
