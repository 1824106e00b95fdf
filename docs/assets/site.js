// before and after: the slider lies over both pictures and moves the edge between them
function join() {
  for (const box of document.querySelectorAll(".compare")) {
    const slider = box.querySelector("input");
    const move = () => box.style.setProperty("--at", slider.value + "%");
    slider.addEventListener("input", move);
    move();
  }
}
if (typeof document$ !== "undefined") document$.subscribe(join);
else document.addEventListener("DOMContentLoaded", join);
