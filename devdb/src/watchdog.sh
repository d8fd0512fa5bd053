# Runs a throwaway PostgreSQL for as long as standard input stays open. The other end of that pipe is
# held by one process only, and the kernel closes it however that process ends, kill -9 included.
# Arguments: folder of the programs, folder to use and remove, port.
bin=$1 dir=$2 port=$3 pid=

stop() {
    trap '' INT TERM HUP
    # QUIT is an immediate shutdown: nothing here is worth a checkpoint. The server is our own child,
    # so its number can't have gone to another process.
    if [ -n "$pid" ]; then kill -QUIT "$pid"; wait "$pid"; fi 2>/dev/null
    cd / && rm -rf "$dir"
    exit 0
}
trap stop INT TERM HUP

"$bin/initdb" -D "$dir/data" -U postgres --pwfile="$dir/password" --auth=password \
    --encoding=UTF8 --locale=C --no-sync </dev/null >"$dir/log" 2>&1 || exit 3

"$bin/postgres" -D "$dir/data" -F -p "$port" \
    -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c max_connections=200 \
    -c synchronous_commit=off -c full_page_writes=off -c wal_level=minimal -c max_wal_senders=0 \
    -c jit=off -c cluster_name=watertight-devdb -c log_line_prefix='%m [%p] %u@%d ' \
    </dev/null >>"$dir/log" 2>&1 &
pid=$!

while read -r _; do :; done
stop
