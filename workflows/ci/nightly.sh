#!/bin/sh
# Run a manifest on a schedule: sh nightly.sh MANIFEST [REPORTS]
#
# Requires the plan of the manifest's lock file, runs, and writes the reports to one folder. The exit code is the run's. Needs only
# `backline` on the path; copy this file beside your manifest. From cron:
#   30 3 * * 1-5  cd /srv/songs && sh nightly.sh album.yaml nightly/$(date +\%F)
set -u
manifest=${1:?usage: nightly.sh MANIFEST [REPORTS]}
reports=${2:-nightly}
mkdir -p "$reports" || exit 7
backline plan "$manifest" --locked --format json > "$reports/plan.json" || exit $?
backline run "$manifest" --locked --format json > "$reports/events.jsonl"
code=$?
# The run has written the CI step's summary already.
env -u GITHUB_STEP_SUMMARY backline report "$manifest" --dir "$reports"
report=$?
[ $code -ne 0 ] || code=$report
exit $code
