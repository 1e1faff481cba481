"""Writes a report and ends; Highroad runs it on the schedule in `highroad.yaml`."""

from datetime import datetime, timezone

if __name__ == "__main__":
    print(f"report of {datetime.now(timezone.utc):%Y-%m-%d %H:%M} UTC", flush=True)
