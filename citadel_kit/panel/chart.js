// Line charts on a plain canvas.

const SERIES = ["--ck-ink", "--ck-s1", "--ck-s2", "--ck-s3", "--ck-s4", "--ck-s5"];

function chart(title, unit, range) {
  const canvas = node("canvas");
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `${title}, ${unit}`);
  const root = node("figure", "ck-chart", node("figcaption", "", `${title} `, node("span", "", unit)), canvas);
  const draw = (points, key, names, style) => {
    const width = canvas.clientWidth, height = canvas.clientHeight, scale = window.devicePixelRatio || 1;
    if (!width || !height) return;
    if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
      canvas.width = Math.round(width * scale);
      canvas.height = Math.round(height * scale);
    }
    const pen = canvas.getContext("2d");
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    pen.clearRect(0, 0, width, height);
    const box = { left: 46, right: width - 6, top: 6, bottom: height - 16 };
    const [low, high] = range ?? extent(points, key);
    grid(pen, box, low, high, style);
    if (points.length < 2) return;
    const first = points[0].t, span = points[points.length - 1].t - first || 1;
    const x = (t) => box.left + ((t - first) / span) * (box.right - box.left);
    const y = (value) => box.bottom - ((value - low) / (high - low)) * (box.bottom - box.top);
    names.forEach((_, i) => line(pen, points, (p) => p[key][i] ?? null, x, y, style(SERIES[i % SERIES.length]), i ? 1.25 : 2));
    times(pen, box, first, first + span, style);
  };
  return { root, draw };
}

function extent(points, key) {
  let low = 0, high = 0;
  for (const point of points) {
    for (const value of point[key]) {
      if (value === null) continue;
      low = Math.min(low, value);
      high = Math.max(high, value);
    }
  }
  return high === low ? [0, 1] : [low * 1.08, high * 1.08];
}

function grid(pen, box, low, high, style) {
  pen.font = `10px ${style("--ck-mono")}`;
  pen.textAlign = "right";
  pen.textBaseline = "middle";
  pen.lineWidth = 1;
  const step = niceStep((high - low) / 4);
  const decimals = Math.max(0, -Math.floor(Math.log10(step)));
  for (let k = Math.ceil(low / step); k * step <= high + step * 1e-6; k++) {
    const at = Math.round(box.bottom - ((k * step - low) / (high - low)) * (box.bottom - box.top)) + 0.5;
    pen.strokeStyle = style(k === 0 ? "--ck-axis" : "--ck-line");
    pen.beginPath();
    pen.moveTo(box.left, at);
    pen.lineTo(box.right, at);
    pen.stroke();
    pen.fillStyle = style("--ck-muted");
    pen.fillText((k * step).toFixed(decimals), box.left - 5, at);
  }
}

function niceStep(rough) {
  const power = 10 ** Math.floor(Math.log10(rough));
  return [1, 2, 5, 10].map((m) => m * power).find((step) => step >= rough * 0.999);
}

function line(pen, points, pick, x, y, colour, width) {
  pen.strokeStyle = colour;
  pen.lineWidth = width;
  pen.lineJoin = "round";
  pen.beginPath();
  let drawing = false;
  for (const point of points) {
    const value = pick(point);
    if (value === null) { drawing = false; continue; }
    if (drawing) pen.lineTo(x(point.t), y(value));
    else pen.moveTo(x(point.t), y(value));
    drawing = true;
  }
  pen.stroke();
}

function times(pen, box, first, last, style) {
  pen.fillStyle = style("--ck-muted");
  pen.textBaseline = "alphabetic";
  for (const [at, place, align] of [[first, box.left, "left"], [last, box.right, "right"]]) {
    pen.textAlign = align;
    pen.fillText(`${clock(at)} UTC`, place, box.bottom + 13);
  }
}
