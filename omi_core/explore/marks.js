// Which words two texts have in common. The marks lead the eye; no verdict hangs on them.
"use strict";

const CJK = "\\p{Script=Han}\\p{Script=Hiragana}\\p{Script=Katakana}";
const WORD = new RegExp(
  `\\\\[a-zA-Z]+|\\d{1,3}(?:,\\d{3})+(?:\\.\\d+)?|\\d+(?:\\.\\d+)?|[${CJK}]` +
    `|(?:(?![${CJK}])[\\p{L}\\p{M}])+(?:['’](?:(?![${CJK}])\\p{L})+)*`,
  "gu",
);
const NO_SIGN = /[\s$.,:;?!{}'"`\\&~]/g;
const MOST_CELLS = 1e6; // of the table below; longer texts are compared as sets of words
const MATCH = 1 << 16; // one word more is worth more than any number of neighbours

// The words of a text: [{start, end, key, signs}], keys equal where the words are the same; signs are the
// operators and brackets between it and the word before.
function wordsOf(text) {
  let done = 0;
  return Array.from(text.matchAll(WORD), ({ 0: word, index: start }) => {
    const signs = text.slice(done, start).replace(NO_SIGN, "");
    done = start + word.length;
    return { start, end: done, key: word.normalize("NFKC").toLowerCase().replace(/,(?=\d)|['’]/g, ""), signs };
  });
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
// mark is 0 none, 1 elsewhere in the other, 2 in the same order, 3 the same and right after the marked one before,
// with the same signs between them. A short word alone has no mark: "of" is common to all texts.
function compare(a, b) {
  const pairs = commonSubsequence(a, b);
  const marks = { inOrder: pairs.length, a: elsewhere(a, b), b: elsewhere(b, a) };
  const joined = pairs.map(([i, j], at) =>
    at > 0 && i === pairs[at - 1][0] + 1 && j === pairs[at - 1][1] + 1 && a[i].signs === b[j].signs);
  pairs.forEach(([i, j], at) => {
    if (joined[at] || joined[at + 1] || telling(a[i])) marks.a[i] = marks.b[j] = joined[at] ? 3 : 2;
  });
  return marks;
}

function elsewhere(words, others) {
  const keys = new Set(others.map((word) => word.key));
  return Uint8Array.from(words, (word) => Number(keys.has(word.key) && telling(word)));
}

function telling({ key }) {
  return key.length > 3 || !/^[a-z]+$/.test(key);
}
