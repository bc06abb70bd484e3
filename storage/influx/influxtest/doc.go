// Package influxtest starts a real InfluxDB for tests: version 1.8.10 on loopback, in
// a temporary directory, with authentication and Flux on. `make influxd` builds it.
//
// A server ends with the test that started it or, if it is shared, with the tests'
// process, however that ends. What a server of 2.x alone can show is tested against the one named by
// PERIGEE_INFLUX2_URL, _TOKEN, _ORG and _BUCKET, if they are set.
package influxtest
