package grafana

import (
	"github.com/grafana/grafana-foundation-sdk/go/bargauge"
	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/gauge"
	"github.com/grafana/grafana-foundation-sdk/go/heatmap"
	"github.com/grafana/grafana-foundation-sdk/go/histogram"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/statetimeline"
	"github.com/grafana/grafana-foundation-sdk/go/table"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
	"github.com/grafana/grafana-foundation-sdk/go/trend"
	"github.com/grafana/grafana-foundation-sdk/go/units"

	"perigee"
)

// kind is a visualization with its options.
type kind = cog.Builder[dashboard.Panel]

// no is the answer to whether lines go on over a time that was not measured.
func no() common.BoolOrFloat64 { return common.BoolOrFloat64{Bool: cog.ToPtr(false)} }

// curve is a line over time.
func curve() kind {
	return timeseries.NewPanelBuilder().DrawStyle(common.GraphDrawStyleLine).LineWidth(1).FillOpacity(0).ShowPoints(common.VisibilityModeAuto).
		SpanNulls(no()).Legend(legend("min", "mean", "max")).Tooltip(tooltip())
}

// dots are single results over time, which no line joins.
func dots() kind {
	return timeseries.NewPanelBuilder().DrawStyle(common.GraphDrawStylePoints).PointSize(6).ShowPoints(common.VisibilityModeAlways).
		SpanNulls(no()).Legend(legend("min", "mean", "max")).Tooltip(tooltip())
}

// stack is counts over time on top of each other.
func stack() kind {
	return timeseries.NewPanelBuilder().DrawStyle(common.GraphDrawStyleBars).FillOpacity(80).LineWidth(0).ShowPoints(common.VisibilityModeNever).
		SpanNulls(no()).Stacking(common.NewStackingConfigBuilder().Mode(common.StackingModeNormal)).Legend(legend("sum")).Tooltip(tooltip())
}

// bars are one bar for each link, in the colour of its value.
func bars() kind {
	return bargauge.NewPanelBuilder().DisplayMode(common.BarGaugeDisplayModeBasic).ValueMode(common.BarGaugeValueModeColor).
		Orientation(common.VizOrientationHorizontal).ShowUnfilled(true).ReduceOptions(reduce())
}

// number is a value in large.
func number() kind {
	return stat.NewPanelBuilder().GraphMode(common.BigValueGraphModeNone).ColorMode(common.BigValueColorModeValue).
		TextMode(common.BigValueTextModeAuto).ReduceOptions(reduce())
}

// dial is a gauge for each link.
func dial() kind {
	return gauge.NewPanelBuilder().ShowThresholdMarkers(true).ReduceOptions(reduce())
}

// cells is a heat map of the columns of an answer over its times.
func cells() kind {
	return heatmap.NewPanelBuilder().Calculate(false).
		Color(heatmap.NewHeatmapColorOptionsBuilder().Mode(heatmap.HeatmapColorModeScheme).Scheme("Turbo").Steps(64).Fill("dark-orange").Exponent(0.5)).
		CellValues(heatmap.NewCellValuesBuilder().Unit(units.Seconds)).
		YAxis(heatmap.NewYAxisConfigBuilder().AxisPlacement(common.AxisPlacementLeft).AxisLabel("hour of the day")).ShowValue(common.VisibilityModeNever)
}

// shares is a histogram, which Grafana makes of single values.
func shares() kind {
	return histogram.NewPanelBuilder().FillOpacity(60).Legend(legend("count")).Tooltip(tooltip())
}

// distribution is a chart over the column le instead of time.
func distribution() kind {
	return trend.NewPanelBuilder().XField("le").DrawStyle(common.GraphDrawStyleLine).LineWidth(2).FillOpacity(0).ShowPoints(common.VisibilityModeNever).
		SpanNulls(no()).Legend(legend()).Tooltip(tooltip())
}

// timeline is a row for each link, in the colour of its state.
func timeline() kind {
	return statetimeline.NewPanelBuilder().ShowValue(common.VisibilityModeNever).RowHeight(0.8).MergeValues(true).FillOpacity(80).LineWidth(0).
		Legend(common.NewVizLegendOptionsBuilder().DisplayMode(common.LegendDisplayModeList).Placement(common.LegendPlacementBottom).ShowLegend(true)).
		Tooltip(common.NewVizTooltipOptionsBuilder().Mode(common.TooltipDisplayModeSingle))
}

// rows is a table.
func rows(sortBy string) kind {
	return table.NewPanelBuilder().ShowHeader(true).Footer(common.NewTableFooterOptionsBuilder().Show(false).Reducer([]string{})).
		SortBy([]cog.Builder[common.TableSortByFieldState]{common.NewTableSortByFieldStateBuilder().DisplayName(sortBy).Desc(true)})
}

// at returns thresholds that are the same for every orbit.
func at(notable, bad float64) *dashboard.ThresholdsConfig { return steps(limits{notable, bad}) }

// named are metrics.
func named(names ...perigee.MetricName) []perigee.MetricName { return names }

// The states of the timeline of outages.
const (
	stateMeasured    = "0"
	stateOutage      = "1"
	stateNotMeasured = "2"
)

// stateMappings say what the timeline's numbers mean.
func stateMappings() []dashboard.ValueMapping {
	result := func(text, color string, index int32) dashboard.ValueMappingResult {
		return dashboard.ValueMappingResult{Text: &text, Color: &color, Index: &index}
	}
	return []dashboard.ValueMapping{{ValueMap: &dashboard.ValueMap{Type: dashboard.MappingTypeValueToText, Options: map[string]dashboard.ValueMappingResult{
		stateMeasured: result("measured", "green", 0), stateOutage: result("outage", "red", 1), stateNotMeasured: result("not measured", "#8e8e8e", 2),
	}}}}
}
