#!/usr/bin/env bash
# Starts the Qdrant-compatible test server that may lie beside the repository and prints what the tests need:
# PID=…, TEST_QDRANT_URL=… and how to start more of them. Ends with 1 when there is none.
set -euo pipefail
work=$1
folder=$(cd "$(dirname "$0")/../../.." && pwd)/shared/qdrant-server

[ -f "$folder/serve.py" ] || { echo "there is no Qdrant-compatible server beside the repository" >&2; exit 1; }
python3 -m venv "$work/qdrant-venv" >&2
"$work/qdrant-venv/bin/pip" install -q --disable-pip-version-check -r "$folder/requirements.txt" >&2

"$work/qdrant-venv/bin/python" "$folder/serve.py" --port 0 >"$work/qdrant-log" 2>&1 &
pid=$!
for _ in $(seq 100); do
  url=$(sed -n 's/^ready //p' "$work/qdrant-log")
  [ -n "$url" ] && break
  kill -0 "$pid" 2>/dev/null || { tail -n 3 "$work/qdrant-log" >&2; exit 1; }
  sleep 0.1
done
[ -n "$url" ] || { echo "the Qdrant-compatible server did not get ready" >&2; exit 1; }
echo "PID=$pid"
echo "TEST_QDRANT_URL=$url"
echo "TEST_QDRANT_SERVER=$folder/serve.py"
echo "TEST_QDRANT_PYTHON=$work/qdrant-venv/bin/python"
