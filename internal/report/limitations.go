package report

// limitations are what a reader must know before drawing conclusions; docs/limitations.md
// has all, with their reasons.
var limitations = []string{
	"Latency is measured by ICMP echo. Some networks treat it apart from other traffic, so a target that answers slowly may look like a slow path.",
	"A round trip begins before the send system call and ends at the kernel's receive stamp: time in the machine's own queue is part of it.",
	"Quantiles are of the packets that were answered in time; lost ones have no round-trip time and are counted apart. Quantiles come from sketches and are within 0.5 % of the exact value.",
	"The begin and the end of an outage are known to one probe interval each.",
	"What lies beyond a link, up to the target, is part of what is measured. That links are compared at the same target and at the same instants cancels it in differences, not in figures.",
	"A transfer measures the far end's line, too. Rates are of TCP payload, not of what the line carries with its headers.",
	"The hash identifies the data. It does not prove when or by whom they were measured.",
}
