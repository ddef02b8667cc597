# Vetoes a job whose title would not fit on a label. Called once a job, before it is bought.
import json
import sys

job = json.load(sys.stdin)["job"]
if len(job["settings"]["title"]) > 60:
    print(json.dumps({"veto": "the title is longer than 60 characters"}))
