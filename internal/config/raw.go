package config

// The raw types are the grammar of the file: the keys that exist and the shape of
// each. A field is a value (one scalar), a slice (a list) or another raw type (a
// mapping); bind.go fills them in.

type rawFile struct {
	section
	Site    rawSite     `yaml:"site"`
	Links   []rawLink   `yaml:"links"`
	Targets []rawTarget `yaml:"targets"`
	Probes  rawProbes   `yaml:"probes"`
	Storage rawStorage  `yaml:"storage"`
	API     rawAPI      `yaml:"api"`
}

type rawSite struct {
	section
	Name      value `yaml:"name"`
	Latitude  value `yaml:"latitude"`
	Longitude value `yaml:"longitude"`
}

type rawLink struct {
	section
	Name               value     `yaml:"name"`
	Orbit              value     `yaml:"orbit"`
	Interface          value     `yaml:"interface"`
	Source             value     `yaml:"source"`
	Mark               value     `yaml:"fwmark"`
	Namespace          value     `yaml:"namespace"`
	Reason             value     `yaml:"reason"`
	FirstHop           value     `yaml:"first_hop"`
	SatelliteLongitude value     `yaml:"satellite_longitude"`
	Budget             rawBudget `yaml:"budget"`
	Plan               rawPlan   `yaml:"plan"`
}

type rawPlan struct {
	section
	Down         value `yaml:"down"`
	Up           value `yaml:"up"`
	Availability value `yaml:"availability"`
}

type rawBudget struct {
	section
	Bytes    value `yaml:"bytes"`
	ResetsOn value `yaml:"resets_on"`
	TimeZone value `yaml:"timezone"`
	Reserve  value `yaml:"reserve"`
	Used     value `yaml:"used"`
	UsedOn   value `yaml:"used_on"`
}

type rawTarget struct {
	section
	Name      value `yaml:"name"`
	Address   value `yaml:"address"`
	Reflector value `yaml:"reflector"`
	KeyFile   value `yaml:"key_file"`
	TLS       value `yaml:"tls"`
	CAFile    value `yaml:"ca_file"`
}

type rawProbes struct {
	section
	ICMP     rawICMP     `yaml:"icmp"`
	Transfer rawTransfer `yaml:"transfer"`
}

type rawICMP struct {
	section
	Interval    value   `yaml:"interval"`
	Window      value   `yaml:"window"`
	LossTimeout value   `yaml:"loss_timeout"`
	OutageAfter value   `yaml:"outage_after"`
	Size        value   `yaml:"size"`
	Targets     []value `yaml:"targets"`
}

type rawTransfer struct {
	section
	Every          value   `yaml:"every"`
	Schedule       value   `yaml:"schedule"`
	Method         value   `yaml:"method"`
	Server         value   `yaml:"server"`
	Directions     []value `yaml:"directions"`
	Streams        []value `yaml:"streams"`
	Congestion     []value `yaml:"congestion"`
	MaxDuration    value   `yaml:"max_duration"`
	MaxBytes       value   `yaml:"max_bytes"`
	Precision      value   `yaml:"precision"`
	BusyAbove      value   `yaml:"busy_above"`
	LoadedInterval value   `yaml:"loaded_interval"`
}

type rawStorage struct {
	section
	Path     value       `yaml:"path"`
	Keep     rawKeep     `yaml:"keep"`
	InfluxDB rawInfluxDB `yaml:"influxdb"`
}

type rawKeep struct {
	section
	Singletons value `yaml:"singletons"`
	Windows    value `yaml:"windows"`
	Rollups    value `yaml:"rollups"`
}

type rawInfluxDB struct {
	section
	URL       value `yaml:"url"`
	Org       value `yaml:"org"`
	Bucket    value `yaml:"bucket"`
	TokenFile value `yaml:"token_file"`
	Via       value `yaml:"via"`
	Bandwidth value `yaml:"bandwidth"`
}

type rawAPI struct {
	section
	Listen     value   `yaml:"listen"`
	TokensFile value   `yaml:"tokens_file"`
	TLS        rawTLS  `yaml:"tls"`
	Insecure   []value `yaml:"insecure"`

	AllowedOrigins []value `yaml:"allowed_origins"`
}

type rawTLS struct {
	section
	Certificate value `yaml:"certificate"`
	Key         value `yaml:"key"`
}
