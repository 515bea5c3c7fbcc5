"""The state files, which processes of one host share: slots, heartbeats, the crash journal, the event log."""
