// Steps, one after another: the buttons, the slider and the keys of `stepper.html`. `show(step)` draws one, `said` is told when it plays.
// Returns start(count, step): there are now `count` of them, and `step` is the first to be shown.
function stepper(show, said) {
  const bar = document.querySelector(".transport"), slider = bar.querySelector("input"), button = (name) => bar.querySelector(`[data-go="${name}"]`);
  const state = { step: 0, count: 1, timer: null };
  const go = (step) => {
    state.step = Math.min(state.count - 1, Math.max(0, step));
    slider.value = state.step + 1;
    bar.querySelector(".count").textContent = `${state.step + 1} of ${state.count}`;
    show(state.step);
  };
  const play = (wanted) => {
    clearInterval(state.timer);
    state.timer = wanted ? setInterval(() => (state.step < state.count - 1 ? go(state.step + 1) : play(false)), 1100) : null;
    button("play").setAttribute("aria-pressed", String(wanted));
    said.setAttribute("aria-live", wanted ? "off" : "polite");            // who listens is not talked over
    if (wanted && state.step === state.count - 1) go(0);
  };
  const by = { first: () => go(0), back: () => go(state.step - 1), on: () => go(state.step + 1), last: () => go(state.count - 1) };
  for (const name in by) button(name).addEventListener("click", () => { play(false); by[name](); });
  button("play").addEventListener("click", () => play(state.timer === null));
  slider.addEventListener("input", () => { play(false); go(Number(slider.value) - 1); });
  const keys = { ArrowLeft: by.back, ArrowRight: by.on, Home: by.first, End: by.last };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.shiftKey) return;
    if (event.target.closest("input, select, textarea, summary") && !(event.target === slider && event.key === " ")) return;  // keys of their own
    if (event.key === " " && !event.target.closest("button, a")) play(state.timer === null);
    else if (event.key in keys) { play(false); keys[event.key](); }
    else return;
    event.preventDefault();
  });
  document.documentElement.classList.add("scripted");
  return { go: (step) => { play(false); go(step); }, start: (count, step = 0) => { state.count = slider.max = count; play(false); go(step); } };
}

// A new element: its tag and classes as in "td.pad", what it says, and its attributes.
function make(kind, content = "", attributes = {}) {
  const [tag, ...classes] = kind.split("."), made = document.createElement(tag);
  made.className = classes.join(" ");
  made.append(...[content].flat());
  for (const name in attributes) made.setAttribute(name, attributes[name]);
  return made;
}
