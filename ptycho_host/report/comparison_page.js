"use strict";
// Sorts the table by any column and moves all panels together. Switching what the panels show needs no script.

function sortable(table, panels) {
  const collator = new Intl.Collator("en", { numeric: true });
  const body = table.tBodies[0];
  const headings = [...table.tHead.rows[table.tHead.rows.length - 1].cells];

  // A number, a text, or null for what is not defined.
  function content(row, column) {
    const cell = row.cells[column];
    if (cell.dataset.value === undefined) return cell.textContent.trim();
    return cell.dataset.value === "" ? null : Number(cell.dataset.value);
  }

  function sort(column, direction) {
    const sign = direction === "ascending" ? 1 : -1;
    const rows = [...body.rows].sort((one, other) => {
      const [a, b] = [content(one, column), content(other, column)];
      const rank = Number(one.dataset.row) - Number(other.dataset.row);
      if (a === null || b === null) return (a === null) - (b === null) || rank;
      return sign * (typeof a === "number" ? a - b : collator.compare(a, b)) || rank;
    });
    body.append(...rows);
    // The truth stays in front.
    for (const row of rows) {
      const panel = panels.querySelector(`[data-row="${row.dataset.row}"]`);
      if (panel) panels.append(panel);
    }
    headings.forEach((heading, index) => {
      if (index === column) heading.setAttribute("aria-sort", direction);
      else heading.removeAttribute("aria-sort");
    });
  }

  headings.forEach((heading, column) => {
    const button = document.createElement("button");
    const arrow = document.createElement("span");
    button.type = "button";
    button.title = "Sort by this column";
    arrow.className = "arrow";
    button.append(arrow, ...heading.childNodes);
    heading.append(button);
    button.addEventListener("click", () => {
      const turned = { ascending: "descending", descending: "ascending" };
      // First the better figures on top.
      const first = heading.dataset.better === "1" ? "descending" : "ascending";
      sort(column, turned[heading.getAttribute("aria-sort")] ?? first);
    });
  });
}

function zoomable(panels, controls) {
  const LARGEST = 64;
  const STEP = 1.25;
  const frames = [...panels.querySelectorAll(".map-frame")];
  const shown = controls.querySelector("output");
  // x, y: left upper corner of the pictures, in widths and heights of their frames.
  let zoom = 1, x = 0, y = 0;

  function draw() {
    x = Math.min(0, Math.max(1 - zoom, x));
    y = Math.min(0, Math.max(1 - zoom, y));
    panels.style.setProperty("--zoom", zoom);
    panels.style.setProperty("--x", x);
    panels.style.setProperty("--y", y);
    const picture = frames[0].querySelector("img");
    panels.classList.toggle("pixels", zoom * frames[0].clientWidth > 2 * picture.naturalWidth);
    shown.textContent = `\u00D7 ${zoom.toFixed(zoom < 10 ? 1 : 0)}`;
  }

  // The point (u, v) of each frame, 0 to 1, stays where it is.
  function zoomBy(factor, u = 0.5, v = 0.5) {
    const next = Math.min(LARGEST, Math.max(1, zoom * factor));
    x = u - (u - x) * next / zoom;
    y = v - (v - y) * next / zoom;
    zoom = next;
    draw();
  }

  function moveBy(dx, dy) {
    x += dx;
    y += dy;
    draw();
  }

  function reset() {
    zoom = 1;
    draw();
  }

  const keys = {
    "+": () => zoomBy(STEP), "=": () => zoomBy(STEP), "-": () => zoomBy(1 / STEP), "0": reset, Escape: reset,
    ArrowLeft: () => moveBy(0.1, 0), ArrowRight: () => moveBy(-0.1, 0),
    ArrowUp: () => moveBy(0, 0.1), ArrowDown: () => moveBy(0, -0.1),
  };
  for (const frame of frames) {
    frame.tabIndex = 0;
    frame.addEventListener("wheel", (event) => {
      event.preventDefault();
      const box = frame.getBoundingClientRect();
      const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1;
      const factor = Math.exp(-0.002 * lines * event.deltaY);
      zoomBy(factor, (event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
    }, { passive: false });
    frame.addEventListener("pointerdown", (event) => {
      // A finger scrolls the page.
      if (event.pointerType !== "touch" && event.button === 0) frame.setPointerCapture(event.pointerId);
    });
    frame.addEventListener("pointermove", (event) => {
      if (!frame.hasPointerCapture(event.pointerId)) return;
      moveBy(event.movementX / frame.clientWidth, event.movementY / frame.clientHeight);
    });
    frame.addEventListener("dblclick", reset);
    frame.addEventListener("keydown", (event) => {
      const act = event.ctrlKey || event.metaKey || event.altKey ? undefined : keys[event.key];
      if (act === undefined) return;
      event.preventDefault();
      act();
    });
  }
  controls.querySelector(".in").addEventListener("click", () => zoomBy(STEP));
  controls.querySelector(".out").addEventListener("click", () => zoomBy(1 / STEP));
  controls.querySelector(".reset").addEventListener("click", reset);
  addEventListener("resize", draw);
  draw();
}

const panels = document.getElementById("panels");
sortable(document.getElementById("ranking"), panels);
zoomable(panels, document.getElementById("zoom"));
for (const hidden of document.querySelectorAll(".scripted")) hidden.hidden = false;
