#!/usr/bin/env bash
# Runs `dr preflight` and previews both stacks with the policies, and writes the results as Markdown: to stdout, and on
# GitHub to the step's output `text` and to the run's summary. Fails if a preview fails or a check is missed; a check that
# could not be made (exit code 4) is shown only. `dr` has to be on PATH, also for Pulumi's Kubernetes plugin.
#
# Usage: .github/preview.sh WHAT   ("of what is deployed in AWS")
set -euo pipefail
cd "$(dirname "$0")/.."

readonly bytes=14000 # for each of four outputs; a comment may have 65,536 characters
failed=0
report=$(mktemp)
trap 'rm -f "$report"' EXIT
printf '## Preview %s\n' "$1" > "$report"

# Five ticks, because the output may contain three. iconv drops a character that was cut in its middle.
section() {
    {
        printf '\n<details><summary>%s</summary>\n\n' "$1"
        printf '`````\n%s\n`````\n</details>\n' "$(tail -c "$bytes" <<< "$2" | iconv -c -t UTF-8)"
    } >> "$report"
}

for stack in primary dr; do
    checked=0
    checks=$(dr preflight -s "$stack" 2>&1) || checked=$?
    case "$checked" in
        0) verdict='is met' ;;
        4) verdict='is unknown in parts' ;;
        *) verdict='is missed' failed=1 ;;
    esac
    section "preflight of <code>$stack</code> $verdict" "$checks"
    verdict='can be deployed'
    if ! said=$(pulumi preview -s "$stack" --policy-pack policies --non-interactive --color never 2>&1); then
        verdict='fails'
        failed=1
    fi
    section "<code>$stack</code> $verdict" "$said"
done

cat "$report"
if [ -n "${GITHUB_OUTPUT-}" ]; then
    end="end-$RANDOM$RANDOM$RANDOM"
    { echo "text<<$end"; cat "$report"; echo "$end"; } >> "$GITHUB_OUTPUT"
    cat "$report" >> "$GITHUB_STEP_SUMMARY"
fi
exit "$failed"
