// Which words two texts have in common. The marks lead the eye; no verdict hangs on them.
"use strict";

const CJK = "\\p{Script=Han}\\p{Script=Hiragana}\\p{Script=Katakana}";
const WORD = new RegExp(
  `\\\\[a-zA-Z]+|\\d{1,3}(?:,\\d{3})+(?:\\.\\d+)?|\\d+(?:\\.\\d+)?|[${CJK}]` +
    `|(?:(?![${CJK}])[\\p{L}\\p{M}])+(?:['’](?:(?![${CJK}])\\p{L})+)*`,
  "gu",
);
const MOST_CELLS = 4e6; // of the table below; longer texts are compared as sets of words
const MATCH = 1 << 16; // one word more is worth more than any number of neighbours

// The words of a text: [{start, end, key}], keys equal where the words are the same.
function wordsOf(text) {
  return Array.from(text.matchAll(WORD), (found) => ({
    start: found.index,
    end: found.index + found[0].length,
    key: found[0].normalize("NFKC").toLowerCase().replace(/,(?=\d)|['’]/g, ""),
  }));
}

// Pairs [i, j] of a longest common subsequence of words, of those the one with the longest runs.
function commonSubsequence(a, b) {
  const columns = b.length + 1;
  if (a.length * b.length > MOST_CELLS) return [];
  // Of each cell: 1 the pair is taken here, 2 the pair before it is its neighbour, 4 best comes from above.
  const steps = new Uint8Array((a.length + 1) * columns);
  let best = new Float64Array(columns), run = new Float64Array(columns);
  for (let i = 1; i <= a.length; i++) {
    const bestHere = new Float64Array(columns), runHere = new Float64Array(columns);
    for (let j = 1; j <= b.length; j++) {
      let step = best[j] >= bestHere[j - 1] ? 4 : 0;
      bestHere[j] = Math.max(best[j], bestHere[j - 1]);
      if (a[i - 1].key === b[j - 1].key) {
        const joined = run[j - 1] && run[j - 1] + 1 >= best[j - 1];
        runHere[j] = (joined ? run[j - 1] + 1 : best[j - 1]) + MATCH;
        if (joined) step |= 2;
        if (runHere[j] >= bestHere[j]) {
          bestHere[j] = runHere[j];
          step |= 1;
        }
      }
      steps[i * columns + j] = step;
    }
    best = bestHere;
    run = runHere;
  }
  const pairs = [];
  let i = a.length, j = b.length, inRun = false;
  while (i && j) {
    const step = steps[i * columns + j];
    if (inRun || step & 1) {
      pairs.push([--i, --j]);
      inRun = Boolean(step & 2);
    } else if (step & 4) i--;
    else j--;
  }
  return pairs.reverse();
}

// What two lists of words share: {inOrder: how many, a: marks of a's words, b: marks of b's words}, where a
// mark is 0 none, 1 elsewhere in the other, 2 in the same order, 3 the same and next to the marked one before.
function compare(a, b) {
  const marks = { inOrder: 0, a: elsewhere(a, b), b: elsewhere(b, a) };
  let last = [-2, -2];
  for (const [i, j] of commonSubsequence(a, b)) {
    const joined = i === last[0] + 1 && j === last[1] + 1;
    marks.a[i] = marks.b[j] = joined ? 3 : 2;
    marks.inOrder++;
    last = [i, j];
  }
  return marks;
}

// Short words such as "of" stand in every text, and say nothing out of order.
function elsewhere(words, others) {
  const keys = new Set(others.map((word) => word.key));
  return Uint8Array.from(words, ({ key }) => Number(keys.has(key) && (key.length > 3 || !/^[a-z]+$/.test(key))));
}
