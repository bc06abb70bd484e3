package perigee

// MetricName names a metric in the API, on screens and in files.
type MetricName string

// MetricKind tells how values of a metric combine.
type MetricKind string

// The kinds of metrics.
const (
	KindDistribution MetricKind = "distribution" // a value per packet; compared by quantiles
	KindRatio        MetricKind = "ratio"        // a share, 0 to 1; compared by its mean
	KindEstimate     MetricKind = "estimate"     // an estimate, running or of one transfer; compared by its mean
	KindCount        MetricKind = "count"
	KindFlag         MetricKind = "flag" // true or false
)

// Metric defines one number that users see. docs/metrics.md says the same at length;
// a test keeps the two together.
type Metric struct {
	Name       MetricName
	Unit       string // base unit as it ends the name outside Go: "seconds", "ratio", "bits_per_second"
	Kind       MetricKind
	Definition string
	Undefined  string // when there is no value
	Source     string // RFC, paper, or "perigee"
	Comparable bool   // whether links can be compared by it; see also Drawable
}

// The metrics that links are compared by.
const (
	MetricRTT          MetricName = "rtt"
	MetricLossRatio    MetricName = "loss_ratio"
	MetricJitter       MetricName = "jitter"
	MetricPDV          MetricName = "pdv"
	MetricAvailability MetricName = "availability"
)

// The metrics of transfers.
const (
	MetricThroughputDown  MetricName = "throughput_down"
	MetricThroughputUp    MetricName = "throughput_up"
	MetricThroughputRamp  MetricName = "throughput_ramp"
	MetricThroughputError MetricName = "throughput_error"
	MetricThroughputBytes MetricName = "throughput_bytes"
	MetricRTTLoaded       MetricName = "rtt_loaded"
	MetricLatencyIncrease MetricName = "latency_increase"
	MetricRPM             MetricName = "rpm"
	MetricPEPSuspected    MetricName = "pep_suspected"
)

// The metrics of the monitor itself, and of times in which nothing was answered or nothing
// was measured.
const (
	MetricOutage          MetricName = "outage"
	MetricGap             MetricName = "gap"
	MetricDataAge         MetricName = "data_age"
	MetricBudgetUsed      MetricName = "budget_used"
	MetricBudgetAllowance MetricName = "budget_allowance"
	MetricBudgetLeft      MetricName = "budget_left"
	MetricBudgetUsedRatio MetricName = "budget_used_ratio"
	MetricDeviceBytes     MetricName = "device_bytes"
	MetricOutboxPending   MetricName = "outbox_pending"
	MetricOutboxOldest    MetricName = "outbox_oldest"
	MetricDeadLetters     MetricName = "dead_letters"

	MetricSelftestRTT     MetricName = "selftest_rtt"
	MetricTimerSlip       MetricName = "timer_slip"
	MetricKernelStamps    MetricName = "kernel_stamps"
	MetricClockResolution MetricName = "clock_resolution"
)

// Metrics is the catalogue: every number that perigee shows, in the order of
// docs/metrics.md.
var Metrics = []Metric{
	{Name: MetricRTT, Unit: "seconds", Kind: KindDistribution, Comparable: true,
		Definition: "time from sending an echo request to receiving its reply, on the source's monotonic clock, of the probes answered within the loss timeout",
		Undefined:  "no probe was answered in time", Source: "RFC 2681"},
	{Name: MetricLossRatio, Unit: "ratio", Kind: KindRatio, Comparable: true,
		Definition: "(lost + late) / sent", Undefined: "nothing was sent", Source: "RFC 6673"},
	{Name: MetricJitter, Unit: "seconds", Kind: KindEstimate, Comparable: true,
		Definition: "running estimator J += (|D| - J)/16 over round-trip times of consecutive probes that both arrived, carried over losses and windows; of a range, its value at the end, and in comparisons its mean",
		Undefined:  "no two consecutive probes arrived", Source: "RFC 3550 A.8"},
	{Name: MetricPDV, Unit: "seconds", Kind: KindDistribution, Comparable: true,
		Definition: "round-trip time minus the smallest of the window or range", Undefined: "no probe was answered in time", Source: "RFC 5481"},
	{Name: MetricAvailability, Unit: "ratio", Kind: KindRatio, Comparable: true,
		Definition: "1 - (planned time inside outages / planned time); gaps are not planned time",
		Undefined:  "nothing was planned", Source: "perigee"},
	{Name: "outages", Unit: "outages", Kind: KindCount,
		Definition: "times without an answered probe of a stream for at least the configured time",
		Undefined:  "never", Source: "perigee"},
	{Name: "ipdv", Unit: "seconds", Kind: KindDistribution,
		Definition: "absolute difference of the round-trip times of consecutive probes that both arrived; mean and 95th percentile are shown",
		Undefined:  "no two consecutive probes arrived", Source: "RFC 3393"},
	{Name: "planned", Unit: "packets", Kind: KindCount, Definition: "probes due: sent + send_failed + skipped", Undefined: "never", Source: "perigee"},
	{Name: "sent", Unit: "packets", Kind: KindCount, Definition: "probes that left the machine: received + late + lost", Undefined: "never", Source: "RFC 2680"},
	{Name: "send_failed", Unit: "packets", Kind: KindCount, Definition: "probes that the system refused to send", Undefined: "never", Source: "perigee"},
	{Name: "skipped", Unit: "packets", Kind: KindCount, Definition: "probes due that the monitor could not measure", Undefined: "never", Source: "perigee"},
	{Name: "received", Unit: "packets", Kind: KindCount, Definition: "probes answered within the loss timeout", Undefined: "never", Source: "RFC 2681"},
	{Name: "late", Unit: "packets", Kind: KindCount, Definition: "probes answered after the loss timeout and within twice of it", Undefined: "never", Source: "perigee"},
	{Name: "lost", Unit: "packets", Kind: KindCount, Definition: "probes not answered within twice the loss timeout", Undefined: "never", Source: "RFC 6673"},
	{Name: "duplicates", Unit: "packets", Kind: KindCount, Definition: "replies to a probe beyond the first", Undefined: "never", Source: "RFC 5560"},
	{Name: "reordered", Unit: "packets", Kind: KindCount, Definition: "first replies that came after the reply to a later probe", Undefined: "never", Source: "RFC 4737"},
	{Name: "loss_period", Unit: "packets", Kind: KindCount,
		Definition: "maximal runs of consecutive sent probes that were lost or late: their count, the longest in packets, and the longest in seconds, from the first's sending to one interval after the last's (plus or minus one interval)",
		Undefined:  "never", Source: "RFC 3357"},
	{Name: MetricOutage, Unit: "seconds", Kind: KindEstimate,
		Definition: "time from the sending of the first unanswered probe to the sending of the next answered one, of a run of at least two that lasts at least 1 s",
		Undefined:  "there were none", Source: "perigee"},
	{Name: MetricGap, Unit: "seconds", Kind: KindEstimate, Definition: "time in which the monitor itself was not measuring",
		Undefined: "there were none", Source: "perigee"},
	{Name: "link_availability", Unit: "ratio", Kind: KindRatio,
		Definition: "1 - (planned time inside disruptions charged to the link / planned time)", Undefined: "nothing was planned", Source: "perigee"},
	{Name: "failures", Unit: "disruptions", Kind: KindCount, Definition: "disruptions charged to the link, in the period in which they begin",
		Undefined: "never", Source: "perigee"},
	{Name: "mtbf", Unit: "seconds", Kind: KindEstimate, Definition: "mean time between failures: time up over failures",
		Undefined: "there were no failures: it is more than the time up", Source: "IEC 60050-192"},
	{Name: "mttr", Unit: "seconds", Kind: KindEstimate, Definition: "mean time to repair: time down over failures",
		Undefined: "there were no failures", Source: "IEC 60050-192"},
	{Name: "short_losses", Unit: "loss_periods", Kind: KindCount, Definition: "loss periods too short to be outages, at the target that was measured most",
		Undefined: "never", Source: "RFC 3357"},
	{Name: "floor", Unit: "seconds", Kind: KindEstimate,
		Definition: "the least round-trip time that the speed of light allows over four legs to the satellite, from orbit, site and satellite longitude",
		Undefined:  "orbits without a stated altitude", Source: "docs/metrics.md"},
	{Name: "floor_excess", Unit: "seconds", Kind: KindEstimate,
		Definition: "the smallest rtt, and the median rtt, minus the floor",
		Undefined:  "no probe was answered in time, or there is no floor", Source: "docs/metrics.md"},
	{Name: "usual_rtt", Unit: "seconds", Kind: KindEstimate,
		Definition: "the 5 %, 50 % and 95 % quantile of rtt of a stream's idle probes over the seven days before the last minute",
		Undefined:  "no probe was answered in time in the seven days", Source: "perigee"},
	{Name: "usual_loss", Unit: "ratio", Kind: KindEstimate,
		Definition: "the loss_ratio of a stream's idle probes over the seven days before the last minute, and the 95 % quantile of the loss ratios of the clock hours, of the clock minutes while less than a day was measured",
		Undefined:  "nothing was sent in the seven days; the quantile, if no such hour or minute was measured for half of it", Source: "perigee"},
	{Name: MetricThroughputDown, Unit: "bits_per_second", Kind: KindEstimate, Comparable: true,
		Definition: "payload that the site received from a far end over TCP, over time: the mean of the transfer's steady part",
		Undefined:  "no transfer down was made", Source: "RFC 6349"},
	{Name: MetricThroughputUp, Unit: "bits_per_second", Kind: KindEstimate, Comparable: true,
		Definition: "payload that a far end received from the site over TCP, over time: the mean of the transfer's steady part",
		Undefined:  "no transfer up was made", Source: "RFC 6349"},
	{Name: MetricThroughputRamp, Unit: "seconds", Kind: KindEstimate,
		Definition: "time from asking for the first payload to the beginning of the steady part",
		Undefined:  "no transfer was made", Source: "perigee"},
	{Name: MetricThroughputError, Unit: "ratio", Kind: KindEstimate,
		Definition: "half of the width of the confidence interval of the steady mean, over that mean",
		Undefined:  "no steady part was reached, or it is too short to tell", Source: "perigee"},
	{Name: MetricThroughputBytes, Unit: "bytes", Kind: KindCount, Definition: "payload that a transfer moved, ramp included",
		Undefined: "no transfer was made", Source: "perigee"},
	{Name: MetricRTTLoaded, Unit: "seconds", Kind: KindDistribution, Comparable: true,
		Definition: "rtt of the latency probes that were sent while a transfer of our own ran over the same link",
		Undefined:  "no probe was answered in time during a transfer", Source: "RFC 2681"},
	{Name: MetricLatencyIncrease, Unit: "seconds", Kind: KindEstimate,
		Definition: "median of rtt_loaded minus the median rtt of the probes just before the transfer",
		Undefined:  "no probe was answered in time before or during the transfer", Source: "perigee"},
	{Name: MetricRPM, Unit: "per_minute", Kind: KindEstimate,
		Definition: "60 s / mean of rtt_loaded: the round trips that the network makes in a minute under load; the network's part of responsiveness, not the whole",
		Undefined:  "no probe was answered in time during the transfer", Source: "draft-ietf-ippm-responsiveness"},
	{Name: MetricPEPSuspected, Unit: "boolean", Kind: KindFlag,
		Definition: "whether TCP connected in less than half of the least rtt of the probes just before the transfer",
		Undefined:  "the time to connect was not measured, or no probe was answered in time", Source: "RFC 3135"},
	{Name: "plan_met", Unit: "ratio", Kind: KindRatio,
		Definition: "share of the steady transfers, in each direction, whose rate was at least the promised one; share of the UTC days, of which half or more was measured, whose link_availability was at least the promised one",
		Undefined:  "nothing was promised, or nothing was measured", Source: "perigee"},
	{Name: "kolmogorov_distance", Unit: "ratio", Kind: KindEstimate,
		Definition: "the largest difference, over all values, of the shares of values at or below it, between two links or periods",
		Undefined:  "one of the two has no value", Source: "Kolmogorov 1933"},
	{Name: "p_corrected", Unit: "ratio", Kind: KindEstimate,
		Definition: "probability of a difference as large as the one found if there were none, corrected for the number of comparisons asked together",
		Undefined:  "there is too little data for a firm interval", Source: "Holm 1979"},
	{Name: "slot_step", Unit: "seconds", Kind: KindDistribution,
		Definition: "absolute difference of the medians of the round-trip times of two consecutive seconds, by the phase of the later one in Starlink's slots",
		Undefined:  "one of the two seconds had no probe answered in time", Source: "perigee"},
	{Name: "edge_step_ratio", Unit: "ratio", Kind: KindEstimate,
		Definition: "mean slot_step at phase 0, where slots meet, over the mean at the phases that are not next to it",
		Undefined:  "there are no steps at phase 0, or those elsewhere have no size", Source: "perigee"},
	{Name: "slot_prominence", Unit: "ratio", Kind: KindRatio,
		Definition: "share of the steps from 2 to 7 s around it that a slot_step exceeds, equal ones counting half; mean of a phase, 0.5 by chance",
		Undefined:  "no step of the phase has three others around it", Source: "perigee"},
	{Name: "slot_chance", Unit: "ratio", Kind: KindEstimate,
		Definition: "probability that phase 0 would be so prominent if the link knew no slots",
		Undefined:  "never", Source: "perigee"},
	{Name: "slots_detected", Unit: "boolean", Kind: KindFlag,
		Definition: "whether the level of the round-trip times steps where Starlink's slots meet",
		Undefined:  "it steps every 15 s elsewhere, by a clock that may be wrong", Source: "perigee"},
	{Name: "loss_at_edge", Unit: "ratio", Kind: KindRatio,
		Definition: "share of the lost and late probes, or of the loss periods of two and more packets by their beginning, within a second of where slots meet",
		Undefined:  "there were none", Source: "perigee"},
	{Name: MetricDataAge, Unit: "seconds", Kind: KindEstimate, Definition: "time since the end of the last sample that is known of a link",
		Undefined: "nothing was measured", Source: "perigee"},
	{Name: MetricBudgetUsed, Unit: "bytes", Kind: KindCount,
		Definition: "what perigee moved over a link in its billing period, both directions together, on the wire, and what was used before it counted",
		Undefined:  "never", Source: "perigee"},
	{Name: MetricBudgetAllowance, Unit: "bytes", Kind: KindCount, Definition: "what perigee may move over a link in a billing period",
		Undefined: "the link has no budget", Source: "perigee"},
	{Name: MetricBudgetLeft, Unit: "bytes", Kind: KindCount, Definition: "budget_allowance - budget_used, 0 once that is passed",
		Undefined: "the link has no budget", Source: "perigee"},
	{Name: MetricBudgetUsedRatio, Unit: "ratio", Kind: KindRatio, Definition: "budget_used / budget_allowance, more than 1 once it is passed",
		Undefined: "the link has no budget", Source: "perigee"},
	{Name: MetricDeviceBytes, Unit: "bytes", Kind: KindCount,
		Definition: "all that a link's device moved in its billing period by the kernel's counters, whoever moved it",
		Undefined:  "nothing was recorded of the device", Source: "perigee"},
	{Name: MetricOutboxPending, Unit: "results", Kind: KindCount, Definition: "results that were stored and that the database has not acknowledged",
		Undefined: "never", Source: "perigee"},
	{Name: MetricOutboxOldest, Unit: "seconds", Kind: KindEstimate, Definition: "age of the oldest result that is pending, by the time it is of",
		Undefined: "none is pending", Source: "perigee"},
	{Name: MetricDeadLetters, Unit: "results", Kind: KindCount, Definition: "results that the database refuses for good and that were set aside",
		Undefined: "never", Source: "perigee"},
	{Name: MetricSelftestRTT, Unit: "seconds", Kind: KindDistribution,
		Definition: "round-trip time of echo requests over the loopback device, sent and timed as all others are",
		Undefined:  "none was answered", Source: "RFC 2681"},
	{Name: MetricTimerSlip, Unit: "seconds", Kind: KindDistribution,
		Definition: "time from when a timer was to fire to when its waiter ran", Undefined: "never", Source: "perigee"},
	{Name: MetricKernelStamps, Unit: "boolean", Kind: KindFlag,
		Definition: "whether the kernel tells when a reply arrived", Undefined: "none was answered", Source: "perigee"},
	{Name: MetricClockResolution, Unit: "seconds", Kind: KindEstimate,
		Definition: "least step of the monotonic clock that was seen in 100,000 looks", Undefined: "never", Source: "RFC 2330 10.1"},
}

// Drawable reports whether m has a value for each stream and window, so that it has a
// time series. Transfers have results of their own.
func (m Metric) Drawable() bool { return m.Comparable && !m.transfers() && m.Name != MetricRTTLoaded }

// Distributed reports whether m has a value for each probe, so that it has a distribution
// over any range.
func (m Metric) Distributed() bool { return m.Kind == KindDistribution && m.Drawable() }

// LookupMetric finds a metric by name.
func LookupMetric(name MetricName) (Metric, bool) {
	for _, m := range Metrics {
		if m.Name == name {
			return m, true
		}
	}
	return Metric{}, false
}
