#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Copyright the godwit authors
#
# systemctl as far as unit/systemd.h needs it, for a machine without systemd: reads what the unit
# file would read, and runs it the same way. FAKE_DIR: where the .env files are, and our notes.
echo "$*" >> "$FAKE_DIR/calls"
name=${2%.service}
plan=${name#*@}
case $1 in
start)
    . "$FAKE_DIR/$plan.env"
    [ -n "$(cat "$FAKE_DIR/$name.pid" 2>/dev/null)" ] && kill -0 "$(cat "$FAKE_DIR/$name.pid")" 2>/dev/null && exit 0
    eval "set -- $GODWIT_COMMAND"
    setsid flock --no-fork --nonblock --conflict-exit-code 75 "$GODWIT_LOCK" "$@" </dev/null >/dev/null 2>&1 &
    echo $! > "$FAKE_DIR/$name.pid"
    ;;
show)
    pid=$(cat "$FAKE_DIR/$name.pid" 2>/dev/null)
    if [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null; then echo "$pid"; else echo 0; fi
    ;;
stop)
    kill "$(cat "$FAKE_DIR/$name.pid")"
    ;;
*)
    echo "unknown verb $1" >&2
    exit 1
    ;;
esac
