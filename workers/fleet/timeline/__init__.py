"""The timeline of the fleet: who stored each partition when, and how much waited: for the page and `status --watch`.

`model` is told what was seen and is pure; `sampler` looks: at the files of the workers, Kafka's offsets and the events.
"""
