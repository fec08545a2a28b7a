#!/bin/sh
# Runs the real AWS plugin, which is the first argument, against the emulator and nothing else.
#
# The emulator is its proxy as well. S3 Control puts the account before the endpoint's host, and 123456789012.127.0.0.1
# is no name that a resolver knows: a proxy needs no resolver. A request to any other host is refused there, so that a
# client of the plugin that does not go by AWS_ENDPOINT_URL does not reach AWS.
: "${AWS_ENDPOINT_URL:?is not set: the AWS plugin runs inside the sandbox only}"
plugin=$1
shift
unset http_proxy https_proxy no_proxy
export HTTP_PROXY="$AWS_ENDPOINT_URL" HTTPS_PROXY="$AWS_ENDPOINT_URL" NO_PROXY="127.0.0.1,localhost"
exec "$plugin" "$@"
