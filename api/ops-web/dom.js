// Small changes of the page. Text is only ever set as text: names of items, ids of shoppers and the
// provider's words are anybody's.

/** Makes an element with text or children. */
export function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "onclick") node.addEventListener("click", value);
    else if (value !== false && value !== null) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children);
  return node;
}

/** Sets a text where it is another: whoever has selected it, or reads along, is not disturbed. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function setClass(node, name) {
  if (node.className !== name) node.className = name;
}

/**
 * Keeps the children of a node in step with a list: one for each key, made once, in the list's
 * order, gone with its entry.
 * @param build makes a child and returns `{node, show}`; `show` is given the entry, now and later
 */
export function keyedChildren(parent, keyOf, build) {
  const known = new Map();
  return (entries) => {
    const keys = new Set(entries.map(keyOf));
    for (const [key, { node }] of known) {
      if (!keys.has(key)) {
        node.remove();
        known.delete(key);
      }
    }
    for (const [index, entry] of entries.entries()) {
      const key = keyOf(entry);
      if (!known.has(key)) known.set(key, build(entry));
      const child = known.get(key);
      child.show(entry);
      if (parent.children[index] !== child.node) parent.insertBefore(child.node, parent.children[index] ?? null);
    }
  };
}

/** A row of a table: the first cell is its heading, the others are labelled for narrow screens. */
export function buildRow(labels, show) {
  const cells = labels.map(([label, name], index) =>
    index === 0 ? make("th", { scope: "row" }) : make("td", { "data-label": label, ...(name && { class: name }) }),
  );
  const node = make("tr", {}, ...cells);
  return { node, show: (entry) => show(entry, cells) };
}
