package grafana

import (
	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"

	"perigee"
)

// panel is one panel of a dashboard, and what is expected of its queries.
type panel struct {
	title   string
	metrics []perigee.MetricName // that it shows: their definitions are its description
	note    string               // what else is to be known
	width   uint32
	height  uint32

	kind    cog.Builder[dashboard.Panel] // of visualization, with its options
	queries []query

	unit       string // Grafana's name of it
	name       string // of a line; empty: as its field is called
	low, high  *float64
	thresholds *dashboard.ThresholdsConfig
	mappings   []dashboard.ValueMapping
	overrides  []dashboard.DashboardFieldConfigSourceOverrides

	route    string // of the page, see pageRoute; empty: no link
	rowLinks []dashboard.DashboardLink
	lately   string // a range of its own, ending now, such as "30d"; empty: the dashboard's
	points   float64
	repeat   string // a variable for each of whose values there is one
	each     float64
}

// build returns the panel at a place.
func (p panel) build(id, x, y uint32) (dashboard.Panel, error) {
	built, err := p.kind.Build()
	if err != nil {
		return built, err
	}
	text := describe(p.metrics, p.note)
	built.Id, built.Title, built.Description, built.Datasource = &id, &p.title, &text, chosenSource()
	built.GridPos = &dashboard.GridPos{X: x, Y: y, W: p.width, H: p.height}
	for i, q := range p.queries {
		built.Targets = append(built.Targets, fluxQuery{RefID: string(rune('A' + i)), Datasource: chosenSource(), Query: q.flux})
	}
	built.Interval = cog.ToPtr("10s") // windows are no closer
	if p.route != "" {
		built.Links = []dashboard.DashboardLink{link("On the monitor's page", pageRoute(p.route))}
	}
	if p.lately != "" {
		built.TimeFrom = &p.lately
	}
	if p.points > 0 {
		built.MaxDataPoints = &p.points
	}
	if p.repeat != "" {
		direction := dashboard.PanelRepeatDirectionH
		built.Repeat, built.RepeatDirection, built.MaxPerRow = &p.repeat, &direction, &p.each
	}
	p.configure(&built)
	return built, nil
}

// configure sets how values are shown.
func (p panel) configure(built *dashboard.Panel) {
	if built.FieldConfig == nil {
		built.FieldConfig = &dashboard.FieldConfigSource{}
	}
	defaults := &built.FieldConfig.Defaults
	if p.unit != "" {
		defaults.Unit = &p.unit
	}
	if p.name != "" {
		defaults.DisplayName = &p.name
	}
	defaults.Min, defaults.Max, defaults.Thresholds, defaults.Mappings, defaults.Links = p.low, p.high, p.thresholds, p.mappings, p.rowLinks
	built.FieldConfig.Overrides = append([]dashboard.DashboardFieldConfigSourceOverrides{}, p.overrides...)
}

// link is a link to somewhere that opens beside the dashboard.
func link(title, to string) dashboard.DashboardLink {
	return dashboard.DashboardLink{Title: title, Type: dashboard.DashboardLinkTypeLink, Url: &to, TargetBlank: true, Tags: []string{}}
}

// The routes of the page. What they show is told after the question mark.
const (
	routeNow        = "#/now"
	routeCompare    = "#/compare?links=${link:csv}"
	routeThroughput = "#/throughput?link="
	routeOutages    = "#/outages?link="
	routeHeatmap    = "#/heatmap?link="

	thisLink = "${link:percentencode}"
)

// pageRoute completes a route with the site and the range of the dashboard.
func pageRoute(route string) string {
	if route == routeNow {
		return "${page}/" + route
	}
	return "${page}/" + route + "&site=${site:percentencode}&from=${__from:date:iso}&to=${__to:date:iso}"
}

// board is a dashboard being laid out: panels from left to right, in rows that begin with
// a heading.
type board struct {
	builder    *dashboard.DashboardBuilder
	wants      map[string]map[string]span // by panel and query, see wants
	id, x, y   uint32
	tallest    uint32
	err        error
	identifier string
}

const gridWidth = 24

func newBoard(uid, title, text string, variables ...cog.Builder[dashboard.VariableModel]) *board {
	b := dashboard.NewDashboardBuilder(title).Uid(uid).Description(text).Tags([]string{"perigee"}).
		Time("now-24h", "now").Refresh("1m").Timezone("browser").Tooltip(dashboard.DashboardCursorSyncCrosshair).
		Variables(append([]cog.Builder[dashboard.VariableModel]{source(), page()}, variables...)).
		Link(dashboard.NewDashboardLinkBuilder("perigee").Type(dashboard.DashboardLinkTypeDashboards).Tags([]string{"perigee"}).AsDropdown(true).IncludeVars(true).KeepTime(true)).
		Link(dashboard.NewDashboardLinkBuilder("Page").Type(dashboard.DashboardLinkTypeLink).Url("${page}/" + routeNow).TargetBlank(true))
	return &board{builder: b, wants: map[string]map[string]span{}, identifier: uid}
}

// row begins a row of panels with a heading.
func (b *board) row(title string) {
	b.y += b.tallest
	b.id++
	row := dashboard.RowPanel{Type: "row", Title: &title, Id: b.id, GridPos: &dashboard.GridPos{X: 0, Y: b.y, W: gridWidth, H: 1}, Panels: []dashboard.Panel{}}
	b.builder.WithRow(builtRow{row})
	b.x, b.y, b.tallest = 0, b.y+1, 0
}

// add puts panels beside each other, and below where they have no room.
func (b *board) add(panels ...panel) {
	for _, p := range panels {
		if b.x+p.width > gridWidth {
			b.x, b.y, b.tallest = 0, b.y+b.tallest, 0
		}
		b.id++
		built, err := p.build(b.id, b.x, b.y)
		if err != nil && b.err == nil {
			b.err = err
		}
		b.builder.WithPanel(builtPanel{built})
		b.x, b.tallest = b.x+p.width, max(b.tallest, p.height)
		for i, q := range p.queries {
			b.wants[b.identifier+"/"+p.title+"/"+string(rune('A'+i))] = q.want
		}
	}
}

// builtPanel and builtRow are builders of what they are.
type builtPanel struct{ panel dashboard.Panel }

// Build returns the panel.
func (b builtPanel) Build() (dashboard.Panel, error) { return b.panel, nil }

type builtRow struct{ row dashboard.RowPanel }

// Build returns the row.
func (b builtRow) Build() (dashboard.RowPanel, error) { return b.row, nil }

// reduce shows the last value of a line.
func reduce() *common.ReduceDataOptionsBuilder {
	return common.NewReduceDataOptionsBuilder().Calcs([]string{"lastNotNull"})
}

// legend is a table below a chart.
func legend(calcs ...string) *common.VizLegendOptionsBuilder {
	return common.NewVizLegendOptionsBuilder().DisplayMode(common.LegendDisplayModeTable).Placement(common.LegendPlacementBottom).ShowLegend(true).Calcs(append([]string{}, calcs...))
}

func tooltip() *common.VizTooltipOptionsBuilder {
	return common.NewVizTooltipOptionsBuilder().Mode(common.TooltipDisplayModeMulti).Sort(common.SortOrderDescending)
}
