#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Copyright the godwit authors
#
# ledger_app.sh DIR PORT start|stop|status|health|route-set|route-status|hook [WORD]
#
# What a plan of the tests names in its instances, hooks and routes: starts and stops
# ledger_service.py. It runs while it holds the lock DIR/lock.SITE. Each call but those that look is
# a line in DIR/calls: "SITE verb OPERATION word". A file DIR/trouble.SITE.VERB makes the next calls
# of that kind go wrong: its first word is
#
#     fail    an error, at once             hang    it does not come back
#     flood   megabytes of output, then ok  wait    until the file, now .reached, is removed
dir=$1 port=$2 verb=$3 word=$4
here=$(cd "$(dirname "$0")" && pwd)
site=$GODWIT_SITE
lock=$dir/lock.$site

trouble() {
    local file=$dir/trouble.$site.$1 what
    [ -e "$file" ] || return 0
    read -r what < "$file"
    case $what in
    fail) echo "told to fail" >&2; exit 1 ;;
    hang) exec sleep 600 ;;
    flood) head -c 8000000 /dev/zero | tr '\0' x ;;
    wait)
        mv "$file" "$file.reached"
        while [ -e "$file.reached" ]; do sleep 0.02; done ;;
    esac
}

# 0: it runs.
running() { ! flock -n -s "$lock" true; }

case $verb in
status) running && exit 0; exit 3 ;;
health)
    trouble health
    exec 3<>"/dev/tcp/127.0.0.1/$port" || exit 1
    printf 'GET / HTTP/1.0\r\n\r\n' >&3
    read -r _ code _ <&3
    [ "$code" = 200 ]; exit ;;
# Before anybody was sent anywhere, clients are where the plan begins.
route-status) cat "$dir/route" 2>>/dev/null || echo madrid; exit 0 ;;
esac

echo "$site $verb $GODWIT_OPERATION $word" >> "$dir/calls"
trouble "$verb"
case $verb in
start)
    exec 9> "$lock"
    flock -w 2 9 || exit 0 # it runs; who only looks lets go at once
    read -r line < <(
        setsid /usr/bin/python3 -B "$here/ledger_service.py" "$GODWIT_VOLUME_data_SOCKET" data \
            "$dir" "$site" "$port" </dev/null 2>>"$dir/service.$site.log" &
        echo "$!" > "$dir/pid.$site")
    [ "$line" = ready ] && exit 0
    tail -n 3 "$dir/service.$site.log" >&2
    exit 1 ;;
stop)
    running || exit 0
    pid=$(cat "$dir/pid.$site")
    kill "$pid" 2>/dev/null
    flock "$lock" true ;; # waits until it has ended
route-set) echo "$word" > "$dir/route.new" && mv "$dir/route.new" "$dir/route" ;;
hook) ;;
esac
exit 0
