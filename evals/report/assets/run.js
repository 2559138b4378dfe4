"use strict";
// One run: its waterfall, if it has a receipt, and its X-ray.
{
  const { xray, waterfall } = JSON.parse(document.getElementById("data").textContent);
  const show = (id, draw, data) => {
    const section = document.getElementById(id);
    section.hidden = false;
    section.append(draw(data));
  };
  if (waterfall) show("waterfall", drawWaterfall, waterfall);
  if (xray.documents.length) show("xray", drawXray, xray);
}
