package api

import "github.com/prometheus/client_golang/prometheus"

// The metrics of access. None has a label that an asker can make up.
var (
	descRefused     = prometheus.NewDesc("perigee_requests_refused_total", "Requests that were refused, by why.", []string{"reason"}, nil)
	descWrongTokens = prometheus.NewDesc("perigee_wrong_tokens_total", "Requests that showed a token that is not good.", nil, nil)
	descFile        = prometheus.NewDesc("perigee_access_file_usable", "Whether the file can be used as it is now: 1 or 0. If not, what was read before stays in force.", []string{"file"}, nil)

	descCertificateEnd = prometheus.NewDesc("perigee_certificate_expiry_timestamp_seconds", "Until when the certificate in force is good, Unix time.", nil, nil)
)

// accessCollector tells Prometheus who was refused.
type accessCollector struct{ s *server }

func (c accessCollector) Describe(chan<- *prometheus.Desc) {}

func (c accessCollector) Collect(ch chan<- prometheus.Metric) {
	send, refused := sender(ch), &c.s.refused
	send.counter(descRefused, float64(refused.unauthenticated.Load()), "unauthenticated")
	send.counter(descRefused, float64(refused.permission.Load()), "permission")
	send.counter(descRefused, float64(refused.tooMany.Load()), "too_many")
	send.counter(descRefused, float64(refused.busy.Load()), "busy")
	if c.s.keys != nil {
		send.counter(descWrongTokens, float64(refused.wrong.Load()))
		send.flag(descFile, c.s.keys.Problem() == nil, "tokens")
	}
	if c.s.pair != nil {
		send.flag(descFile, c.s.pair.Problem() == nil, "certificate")
		if pair, _ := c.s.pair.Certificate(nil); pair != nil {
			send.gauge(descCertificateEnd, float64(pair.Leaf.NotAfter.Unix()))
		}
	}
}
