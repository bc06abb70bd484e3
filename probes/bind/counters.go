package bind

// DeviceCounters are a network device's own counts since it came up, by which providers
// and quotas can be checked. They count what every program on the machine moved.
type DeviceCounters struct {
	Index int // of the device
	Name  string

	RxBytes, TxBytes     int64
	RxPackets, TxPackets int64

	// Header is how many bytes of each packet's count are the link layer's: 14 on
	// Ethernet, 0 where packets are bare IP.
	Header int
}

// IPBytes returns how many bytes of IP packets came and left.
func (c DeviceCounters) IPBytes() int64 {
	return c.RxBytes + c.TxBytes - (c.RxPackets+c.TxPackets)*int64(c.Header)
}
