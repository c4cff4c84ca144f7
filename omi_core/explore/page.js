// The list of problems, what filters it, and the problem that is chosen beside its questions.
// Everything from the data becomes text, never markup.
const DATA = JSON.parse(document.getElementById("data").textContent);
const CLEAN = DATA.verdicts; // the place of "clean" after the methods that name a contamination
const COLOURS = ["k2", "k4", "k3", "k1", "k6"]; // of the first verdicts; what comes after them is grey
const ROW = 58; // height of a row of the list in pixels, as the style sheet has it

const problems = DATA.problems.map(([text, order, place, more, hits, near]) => ({
  text, order, place, more, hits, near, lower: `${text}\n${place}`.toLowerCase(),
}));
const questions = DATA.questions.map(([set, index, text]) => ({ set, index, text, lower: text.toLowerCase() }));

const state = { verdict: null, set: null, query: "", order: "worst", shown: [], at: 0, question: 0 };
const part = Object.fromEntries(
  ["verdicts", "sets", "query", "order", "found", "list", "rows", "pair"].map((id) => [
    id, document.getElementById(id),
  ]),
);

// An element; strings among its children become text.
function element(name, properties, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

const figure = (number) => number.toLocaleString("en");
const score = (number) => number.toFixed(2);

function verdictName(verdict) {
  return verdict === CLEAN ? "clean" : DATA.methods[verdict];
}

function badge(verdict, ...words) {
  const colour = verdict === CLEAN ? "k5" : (COLOURS[verdict] ?? "k0");
  return element("span", { className: `badge ${colour}` }, verdictName(verdict), ...words);
}

// What is said of a problem, looking at one test set or (null) at all: {verdict, score, set}. Null where the
// problem has nothing to do with the set: a clean one belongs to the set of its nearest question alone.
function standing({ hits, near }, set) {
  if (!hits.length) {
    if (!near.length) return set === null ? { verdict: CLEAN, score: null, set: null } : null;
    const nearest = questions[near[0][0]].set;
    return set === null || set === nearest ? { verdict: CLEAN, score: near[0][2], set: nearest } : null;
  }
  const found = hits.find(([question]) => set === null || questions[question].set === set);
  return found ? { verdict: found[1], score: found[2], set: questions[found[0]].set } : null;
}

// A function that tells whether a problem, or a question of its own, holds each of the words.
function matcher(query) {
  const tests = query.toLowerCase().split(/\s+/).filter(Boolean).map((word) => {
    const asked = Uint8Array.from(questions, ({ lower }) => Number(lower.includes(word)));
    const inQuestion = ([question]) => asked[question];
    return ({ lower, hits, near }) => lower.includes(word) || hits.some(inQuestion) || near.some(inQuestion);
  });
  return (problem) => tests.every((test) => test(problem));
}

const value = (entry) => entry.score ?? -Infinity;
const ORDERS = {
  worst: (a, b) => a.verdict - b.verdict || value(b) - value(a) || a.problem.order - b.problem.order,
  high: (a, b) => value(b) - value(a) || a.problem.order - b.problem.order,
  low: (a, b) => value(a) - value(b) || a.problem.order - b.problem.order,
  input: (a, b) => a.problem.order - b.problem.order,
};

function refresh() {
  const chosen = state.shown[state.at]?.problem;
  const matches = matcher(state.query);
  state.shown = [];
  for (const problem of problems) {
    const found = standing(problem, state.set);
    if (found && (state.verdict === null || found.verdict === state.verdict) && matches(problem))
      state.shown.push({ problem, ...found });
  }
  state.shown.sort(ORDERS[state.order]);
  part.found.textContent = `${figure(state.shown.length)} of ${figure(problems.length)} problems`;
  part.rows.style.height = `${state.shown.length * ROW}px`;
  drawFilters();
  choose(Math.max(0, state.shown.findIndex(({ problem }) => problem === chosen)));
}

function drawFilters() {
  const all = DATA.counts.reduce((sum, count) => sum + count, 0);
  const verdicts = DATA.counts.flatMap((count, verdict) => (count || verdict === CLEAN ? [verdict] : []));
  const chips = verdicts.map((verdict) => {
    const chip = element("button", { className: "chip" }, badge(verdict), ` ${figure(DATA.counts[verdict])}`);
    return toggle(chip, "verdict", verdict);
  });
  const every = toggle(element("button", { className: "chip" }, `all ${figure(all)}`), "verdict", null);
  part.verdicts.replaceChildren(every, ...chips);
  part.sets.replaceChildren(...DATA.sets.map((set, number) => toggle(card(set), "set", number)));
}

function card({ name, counts, questions: hit }) {
  const methods = counts.slice(0, CLEAN);
  const contaminated = methods.reduce((sum, count) => sum + count, 0);
  const parts = methods.flatMap((count, method) => (count ? [`${figure(count)} ${DATA.methods[method]}`] : []));
  const lines = [
    element("b", {}, name, element("i", {}, figure(contaminated))),
    element("span", {}, contaminated ? parts.join(", ") : "no problem hits it"),
  ];
  if (contaminated) lines.push(element("span", {}, `${figure(hit)} question${hit === 1 ? "" : "s"} hit`));
  if (counts[CLEAN]) lines.push(element("span", {}, `nearest to ${figure(counts[CLEAN])} clean`));
  return element("button", { className: "card" }, ...lines);
}

// A button that sets a filter, and takes it back when pressed again.
function toggle(button, filter, own) {
  button.type = "button";
  button.setAttribute("aria-pressed", String(state[filter] === own));
  button.addEventListener("click", () => {
    const group = button.parentElement, place = [...group.children].indexOf(button);
    state[filter] = state[filter] === own ? null : own;
    refresh();
    group.children[place].focus(); // it has been drawn anew
  });
  return button;
}

function choose(at) {
  state.at = at;
  state.question = 0;
  const { list } = part, top = at * ROW;
  if (top < list.scrollTop) list.scrollTop = top;
  else if (top + ROW > list.scrollTop + list.clientHeight) list.scrollTop = top + ROW - list.clientHeight;
  drawList();
  drawPair();
}

// What a person does: where list and problem stand one above the other, the problem comes into view.
function go(at) {
  choose(at);
  part.pair.firstChild.scrollIntoView({ block: "nearest" });
}

// Only the rows that can be seen are in the document.
function drawList() {
  const first = Math.max(0, Math.floor(part.list.scrollTop / ROW) - 5);
  const last = Math.ceil((part.list.scrollTop + part.list.clientHeight) / ROW) + 5;
  part.rows.replaceChildren(
    ...state.shown.slice(first, last).map((entry, offset) => listed(entry, first + offset)),
  );
  if (state.shown.length) part.list.setAttribute("aria-activedescendant", `row-${state.at}`);
  else part.list.removeAttribute("aria-activedescendant");
}

function listed(entry, number) {
  const known = entry.score === null ? "" : ` ${score(entry.score)}`;
  const head = element("span", { className: "head" }, badge(entry.verdict, known));
  if (entry.set !== null) head.append(element("span", { className: "set" }, DATA.sets[entry.set].name));
  const start = element("span", { className: "start" }, entry.problem.text.slice(0, 160));
  const row = element("div", { id: `row-${number}`, className: "item", role: "option" }, head, start);
  row.style.top = `${number * ROW}px`;
  row.setAttribute("aria-selected", String(number === state.at));
  row.setAttribute("aria-posinset", String(number + 1));
  row.setAttribute("aria-setsize", String(state.shown.length));
  row.addEventListener("click", () => go(number));
  return row;
}

// The questions of a problem, those it repeats first: [{question, found: [[method, score, repeated]]}].
function questionsOf({ hits, near }) {
  const found = new Map();
  for (const [links, repeated] of [[hits, true], [near, false]])
    for (const [question, method, score] of links) {
      if (!found.has(question)) found.set(question, []);
      found.get(question).push([method, score, repeated]);
    }
  return Array.from(found, ([question, ways]) => ({ question: questions[question], ways }));
}

function drawPair() {
  const entry = state.shown[state.at];
  if (!entry) {
    part.pair.replaceChildren(element("p", { className: "soft empty" }, "No problem matches."));
    return;
  }
  const { problem } = entry;
  const words = wordsOf(problem.text);
  const near = questionsOf(problem).map((found) => {
    const theirs = wordsOf(found.question.text);
    return { ...found, theirs, marks: compare(words, theirs) };
  });
  const place = problem.place + (problem.more ? ` and ${figure(problem.more)} more` : "");
  const head = element("div", { className: "head" },
    badge(entry.verdict), element("span", { className: "set" }, place));
  const left = element("section", {},
    element("h2", {}, `Problem ${figure(state.at + 1)} of ${figure(state.shown.length)}`),
    element("article", { id: "problem" }, head, marked(problem.text, words, near[state.question]?.marks.a)));
  const title = near.length === 1 ? "1 question" : `${near.length} questions`;
  const right = element("section", { id: "questions" }, element("h2", {}, title), ...near.map(asked));
  part.pair.replaceChildren(left, right);
  part.pair.scrollTop = 0;
}

function asked({ question, ways, theirs, marks }, number) {
  const head = element("div", { className: "head" },
    element("b", {}, `${DATA.sets[question.set].name} #${question.index}`),
    ...ways.map(([method, value, repeated]) => repeated
      ? badge(method, ` ${score(value)}`)
      : element("span", { className: "near" }, `${DATA.methods[method]} ${score(value)}`)),
    element("span", { className: "set" }, `${figure(marks.inOrder)} of ${figure(theirs.length)} words in order`));
  const made = element("article", { className: "question" }, head, marked(question.text, theirs, marks.b));
  if (number === state.question) made.setAttribute("aria-current", "true");
  made.addEventListener("click", () => { if (getSelection().isCollapsed) pick(number); });
  return made;
}

// A text with its common words marked; words that follow one another in both texts are one mark.
function marked(text, words, marks) {
  const made = element("pre", {});
  let done = 0;
  for (let i = 0; marks && i < words.length; i++) {
    if (!marks[i]) continue;
    const first = i;
    while (marks[first] > 1 && marks[i + 1] === 3) i++;
    made.append(text.slice(done, words[first].start));
    const className = marks[first] === 1 ? "elsewhere" : "";
    made.append(element("mark", { className }, text.slice(words[first].start, words[i].end)));
    done = words[i].end;
  }
  made.append(text.slice(done));
  return made;
}

// The problem is marked with the words it shares with the question that is picked.
function pick(number) {
  const many = part.pair.querySelectorAll(".question").length;
  if (number < 0 || number >= many || number === state.question) return;
  state.question = number;
  const scrolled = part.pair.scrollTop;
  drawPair();
  part.pair.scrollTop = scrolled;
  part.pair.querySelector("[aria-current]").scrollIntoView({ block: "nearest" });
}

const KEYS = {
  j: () => go(Math.min(state.at + 1, Math.max(0, state.shown.length - 1))),
  k: () => go(Math.max(state.at - 1, 0)),
  n: () => pick(state.question + 1),
  p: () => pick(state.question - 1),
  "/": () => part.query.focus(),
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target === part.query) {
    if (event.key === "Escape" || event.key === "Enter") {
      event.preventDefault(); // Escape would empty the field, too
      part.list.focus();
    }
    return;
  }
  if (event.target === part.order) return;
  const inList = event.target === part.list ? { ArrowDown: "j", ArrowUp: "k" }[event.key] : undefined;
  const act = KEYS[inList ?? event.key];
  if (!act) return;
  event.preventDefault();
  act();
});
part.query.addEventListener("input", () => { state.query = part.query.value; refresh(); });
part.order.addEventListener("change", () => { state.order = part.order.value; refresh(); });
part.list.addEventListener("scroll", drawList);
window.addEventListener("resize", drawList);
refresh();
