"""The embedded stack: Apache Kafka, FerretDB and Prometheus, built once and run by supervisord, for trying and testing."""
