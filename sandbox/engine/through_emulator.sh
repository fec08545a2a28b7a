#!/bin/sh
# Runs a real plugin, which is the first argument, so that all it asks for comes from the emulator and nothing else.
#
# The emulator is its proxy. It answers as the hosts of charts. It answers for S3 Control too, which puts the account
# before the endpoint's host: 123456789012.127.0.0.1 is no name that a resolver knows, and a proxy needs no resolver. A
# request to any other host is refused there, so that a client that does not go by AWS_ENDPOINT_URL reaches nobody.
: "${AWS_ENDPOINT_URL:?is not set: this plugin runs inside the sandbox only}"
plugin=$1
shift
unset http_proxy https_proxy no_proxy
export HTTP_PROXY="$AWS_ENDPOINT_URL" HTTPS_PROXY="$AWS_ENDPOINT_URL" NO_PROXY="127.0.0.1,localhost"
exec "$plugin" "$@"
