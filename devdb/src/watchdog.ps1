# Runs a throwaway PostgreSQL for as long as standard input stays open; see watchdog.sh.
$bin = $env:DEVDB_BIN; $dir = $env:DEVDB_DIR; $port = $env:DEVDB_PORT
& "$bin\initdb" -D "$dir\data" -U postgres "--pwfile=$dir\password" --auth=password `
    --encoding=UTF8 --locale=C --no-sync *> "$dir\log"
if ($LASTEXITCODE -ne 0) { exit 3 }
# pg_ctl drops administrator's rights, which the server refuses to run with.
& "$bin\pg_ctl" start -W -s -D "$dir\data" -l "$dir\server.log" `
    -o "-F -p $port -c listen_addresses=127.0.0.1 -c max_connections=200 -c synchronous_commit=off -c full_page_writes=off -c wal_level=minimal -c max_wal_senders=0 -c jit=off -c cluster_name=watertight-devdb"
[void][Console]::In.ReadToEnd()
& "$bin\pg_ctl" stop -m immediate -D "$dir\data"
Remove-Item -Recurse -Force $dir
