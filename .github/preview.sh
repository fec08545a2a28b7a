#!/usr/bin/env bash
# Previews both stacks with the policies and writes the results as Markdown: to stdout, and on GitHub to the step's output
# `text` and to the run's summary. Fails if a preview fails.
#
# Usage: .github/preview.sh WHAT   ("of what is deployed in AWS")
set -euo pipefail
cd "$(dirname "$0")/.."

readonly bytes=28000 # for each stack; a comment may have 65,536 characters
failed=0
report=$(mktemp)
trap 'rm -f "$report"' EXIT
printf '## Preview %s\n' "$1" > "$report"

for stack in primary dr; do
    verdict='can be deployed'
    if ! said=$(pulumi preview -s "$stack" --policy-pack policies --non-interactive --color never 2>&1); then
        verdict='fails'
        failed=1
    fi
    {
        printf '\n<details><summary><code>%s</code> %s</summary>\n\n' "$stack" "$verdict"
        # Five ticks, because the output may contain three. iconv drops a character that was cut in its middle.
        printf '`````\n%s\n`````\n</details>\n' "$(tail -c "$bytes" <<< "$said" | iconv -c -t UTF-8)"
    } >> "$report"
done

cat "$report"
if [ -n "${GITHUB_OUTPUT-}" ]; then
    end="end-$RANDOM$RANDOM$RANDOM"
    { echo "text<<$end"; cat "$report"; echo "$end"; } >> "$GITHUB_OUTPUT"
    cat "$report" >> "$GITHUB_STEP_SUMMARY"
fi
exit "$failed"
