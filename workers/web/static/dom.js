// Elements. Data becomes text or an attribute, never markup: a topic may be called <b>.

const SVG = "http://www.w3.org/2000/svg";

export const at = (id) => document.getElementById(id);

/* An HTML element. Attributes that are null or undefined are left out; children are nodes or text. */
export function element(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children);
}

/* The same for SVG. */
export function drawn(name, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, name), attributes, children);
}

function filled(node, attributes, children) {
  set(node, attributes);
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

/* Write only what differs: an unchanged node costs no layout, and a screen reader hears nothing of it. */
export function set(node, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined) node.removeAttribute(name);
    else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
  }
  return node;
}

export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
  return node;
}

/* The same, with what stands in backticks as code. */
export function sayProse(node, text) {
  if (node.textContent === text.replaceAll("`", "") && node.childNodes.length) return node;
  node.replaceChildren(...text.split("`").map((part, i) => (i % 2 ? element("code", {}, part) : part)));
  return node;
}

const known = new WeakMap();

/* Make the children of `parent` those of `items`, in their order. A node lives as long as its key does, so that focus and
   selection stay, and nothing is built anew each second. */
export function keyed(parent, items, key, make, update) {
  const before = known.get(parent) ?? new Map(), now = new Map();
  const wanted = new Map(items.map((item, i) => [key(item, i), item]));
  for (const [name, node] of before) if (!wanted.has(name)) node.remove();
  let next = parent.firstChild;
  for (const [name, item] of wanted) {
    const node = before.get(name) ?? make(item);
    update(node, item);
    now.set(name, node);
    if (node === next) next = next.nextSibling;
    else parent.insertBefore(node, next);
  }
  known.set(parent, now);
}
