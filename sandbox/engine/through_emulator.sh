#!/bin/sh
# Runs a program, the first argument, with the emulator as its only network.
#
# The emulator is its proxy. It serves the hosts of charts, and S3 Control, which puts the account before the endpoint's
# host: a resolver cannot resolve 123456789012.127.0.0.1, and a proxy need not. It refuses requests to other hosts, so
# that a client that ignores AWS_ENDPOINT_URL reaches nothing else.
: "${AWS_ENDPOINT_URL:?is not set: this program runs inside the sandbox only}"
plugin=$1
shift
unset http_proxy https_proxy no_proxy
export HTTP_PROXY="$AWS_ENDPOINT_URL" HTTPS_PROXY="$AWS_ENDPOINT_URL" NO_PROXY="127.0.0.1,localhost"
exec "$plugin" "$@"
