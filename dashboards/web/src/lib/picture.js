// Makes a picture of a chart that says by itself what it shows: title, range, chart and
// legend on the ground of the page.

import { download } from "./dom.js";
import { colour } from "./ground.js";

const edge = 20, titleHeight = 28, lineHeight = 20, density = 2; // pixels, and of them for one of the page's

// png hands the person a picture, name.png.
//
//   title, lines  above the chart
//   width, height of the chart, pixels of the page
//   draw(ctx)     draws it, with its upper left corner at 0, 0
//   legend        { text, colour, dash } each, below it
export function png(name, { title, lines, width, height, draw, legend }) {
  const canvas = document.createElement("canvas"), ctx = canvas.getContext("2d");
  const top = edge + titleHeight + lines.length * lineHeight + 8;
  canvas.width = (width + 2 * edge) * density;
  canvas.height = (top + height + legend.length * lineHeight + 2 * edge) * density;
  ctx.scale(density, density);
  ctx.fillStyle = colour("--card");
  ctx.fillRect(0, 0, canvas.width, canvas.height);
  const write = (text, size, y, x, ink) => {
    ctx.font = `${size} system-ui, sans-serif`;
    ctx.fillStyle = colour(ink);
    ctx.fillText(text, x, y, width + edge - x);
  };
  write(title, "600 18px", edge + 16, edge, "--ink");
  lines.forEach((line, i) => write(line, "14px", edge + titleHeight + i * lineHeight + 10, edge, "--quiet"));
  ctx.save();
  ctx.translate(edge, top);
  draw(ctx);
  ctx.restore();
  legend.forEach((entry, i) => {
    const y = top + height + edge + i * lineHeight;
    ctx.save();
    ctx.strokeStyle = entry.colour;
    ctx.lineWidth = 2.5;
    ctx.setLineDash(entry.dash);
    ctx.beginPath();
    ctx.moveTo(edge, y - 4);
    ctx.lineTo(edge + 28, y - 4);
    ctx.stroke();
    ctx.restore();
    write(entry.text, "14px", y, edge + 38, "--ink");
  });
  canvas.toBlob((blob) => { if (blob) download(name + ".png", "image/png", blob); }, "image/png");
}
