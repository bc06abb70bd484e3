package grafana

// provider tells Grafana where the dashboards are. Its path is that of Grafana's packages
// and images.
const provider = `# Made by go generate ./dashboards/grafana.
apiVersion: 1
providers:
  - name: perigee
    orgId: 1
    folder: ` + folder + `
    type: file
    disableDeletion: false
    allowUiUpdates: false
    updateIntervalSeconds: 60
    options:
      path: /etc/grafana/provisioning/dashboards/perigee
`

// The data source, for either version; one of the two is copied. Grafana puts in what the
// environment says.
const (
	source2 = `# Made by go generate ./dashboards/grafana. InfluxDB 2.x: copy this file or that of 1.8, not both.
# The environment of Grafana must have PERIGEE_INFLUX_URL, PERIGEE_INFLUX_ORG (never empty: Grafana
# refuses that), PERIGEE_INFLUX_BUCKET, and PERIGEE_INFLUX_TOKEN, one that may read the bucket.
apiVersion: 1
datasources:
  - name: perigee
    uid: ` + sourceUID + `
    orgId: 1
    type: influxdb
    access: proxy
    url: $PERIGEE_INFLUX_URL
    isDefault: false
    editable: false
    jsonData:
      version: Flux
      organization: $PERIGEE_INFLUX_ORG
      defaultBucket: $PERIGEE_INFLUX_BUCKET
      timeInterval: 10s
      maxSeries: 1000
    secureJsonData:
      token: $PERIGEE_INFLUX_TOKEN
`
	source1 = `# Made by go generate ./dashboards/grafana. InfluxDB 1.8 with flux-enabled = true: copy this file or
# that of 2.x, not both. The environment of Grafana must have PERIGEE_INFLUX_URL, PERIGEE_INFLUX_BUCKET
# (database or database/policy) and PERIGEE_INFLUX_TOKEN (user:password of one who may read it).
# 1.8 has no organizations and ignores this one; but Grafana refuses Flux with an empty one.
apiVersion: 1
datasources:
  - name: perigee
    uid: ` + sourceUID + `
    orgId: 1
    type: influxdb
    access: proxy
    url: $PERIGEE_INFLUX_URL
    isDefault: false
    editable: false
    jsonData:
      version: Flux
      organization: perigee
      defaultBucket: $PERIGEE_INFLUX_BUCKET
      timeInterval: 10s
      maxSeries: 1000
    secureJsonData:
      token: $PERIGEE_INFLUX_TOKEN
`
)
