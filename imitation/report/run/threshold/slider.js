(() => {
  "use strict";
  const box = document.getElementById("threshold-slider");
  const input = box.querySelector("input"), told = box.querySelector("output"), back = box.querySelector("button");
  const scores = input.dataset.scores.split(" "), marker = document.getElementById("threshold-now");
  const numbers = text => text.split(" ").map(Number);
  const rows = [...document.querySelectorAll("tr[data-correct]")].map(row => ({
    cells: row.querySelectorAll("td.share"), objects: Number(row.dataset.objects), correct: numbers(row.dataset.correct),
    wrong: numbers(row.dataset.wrong), missed: numbers(row.dataset.missed),
  }));
  const share = (over, under) => under ? (100 * over / under).toFixed(1) : "–";
  const show = () => {
    const i = Number(input.value), x = Number(marker.dataset.left) + Number(marker.dataset.width) * Number(scores[i]);
    told.value = scores[i];
    input.setAttribute("aria-valuetext", scores[i]);
    marker.setAttribute("x1", x);
    marker.setAttribute("x2", x);
    for (const row of rows) {
      const right = row.correct[i], wrong = row.wrong[i], missed = row.missed[i];
      const shares = [share(right, right + wrong), share(right, row.objects),
        share(2 * right, right + wrong + row.objects), share(wrong + missed, wrong + missed + right)];
      row.cells.forEach((cell, k) => { cell.textContent = shares[k]; });
    }
  };
  input.addEventListener("input", show);
  back.addEventListener("click", () => { input.value = input.dataset.operating; show(); });
  input.value = input.dataset.operating;
  box.hidden = false;
  show();
})();
