// Paints a drawing onto a canvas as it looks on the page. (An image of it would do the
// same, but the page may show no image that it made itself.)

// paint draws what is in the SVG element onto ctx. It knows the shapes that our drawings
// are made of: line, path, polyline, polygon, rect, circle and text.
export function paint(ctx, element) {
  for (const e of element.querySelectorAll("line,path,polyline,polygon,rect,circle,text")) {
    const style = getComputedStyle(e), of = (name) => Number(e.getAttribute(name) || 0);
    if (style.display === "none" || style.visibility === "hidden") continue;
    ctx.save();
    ctx.globalAlpha = Number(style.opacity);
    if (e.localName === "text") text(ctx, e, style, of("x"), of("y"));
    else shape(ctx, outline(e, of), style);
    ctx.restore();
  }
}

function outline(e, of) {
  const path = new Path2D(e.localName === "path" ? e.getAttribute("d") : undefined);
  switch (e.localName) {
    case "line":
      path.moveTo(of("x1"), of("y1"));
      path.lineTo(of("x2"), of("y2"));
      break;
    case "polyline": case "polygon":
      for (const point of e.points) path.lineTo(point.x, point.y);
      if (e.localName === "polygon") path.closePath();
      break;
    case "rect": path.rect(of("x"), of("y"), of("width"), of("height")); break;
    case "circle": path.arc(of("cx"), of("cy"), of("r"), 0, 2 * Math.PI); break;
  }
  return path;
}

function shape(ctx, path, style) {
  if (style.fill !== "none") {
    ctx.fillStyle = style.fill;
    ctx.globalAlpha *= Number(style.fillOpacity);
    ctx.fill(path);
    ctx.globalAlpha = Number(style.opacity);
  }
  if (style.stroke === "none") return;
  ctx.strokeStyle = style.stroke;
  ctx.lineWidth = parseFloat(style.strokeWidth);
  if (style.strokeDasharray !== "none") ctx.setLineDash(style.strokeDasharray.split(/[ ,]+/).map(parseFloat));
  ctx.stroke(path);
}

function text(ctx, e, style, x, y) {
  ctx.font = `${style.fontWeight} ${style.fontSize} ${style.fontFamily}`;
  ctx.fillStyle = style.fill;
  ctx.textAlign = { middle: "center", end: "right" }[style.textAnchor] || "left";
  ctx.fillText(e.textContent, x, y);
}
