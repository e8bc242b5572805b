#!/bin/sh
# A DNS hook in acme.sh's form, for pebble's own DNS server: its management is at $CHALLENGES.

dns_challtest_add() {
    curl -sSf -d "{\"host\": \"$1.\", \"value\": \"$2\"}" "$CHALLENGES/set-txt"
}

dns_challtest_rm() {
    curl -sSf -d "{\"host\": \"$1.\"}" "$CHALLENGES/clear-txt"
}
