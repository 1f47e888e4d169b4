/**
 * Updates an element from one markup to another. It changes only the attributes and texts that differ, which is many
 * times as fast as creating new elements. Both markups must come from `report/svg.ts`: attributes are quoted, and there
 * are no other escapes than those it writes.
 */

/** A start tag, an end tag, or text. */
const TOKEN = /<(\/?)([\w-]+)([^>]*)>|([^<]+)/g;
const ATTRIBUTE = /([\w:-]+)="([^"]*)"/g;

const escapes: Readonly<Record<string, string>> = { "&lt;": "<", "&gt;": ">", "&quot;": '"', "&amp;": "&" };

function plain(text: string): string {
  return text.replace(/&(?:lt|gt|quot|amp);/g, (found) => escapes[found] ?? found);
}

function attributesOf(text: string): ReadonlyMap<string, string> {
  return new Map(Array.from(text.matchAll(ATTRIBUTE), ([, name = "", value = ""]) => [name, value] as const));
}

/** Whether both have the same elements and texts in the same places. Attributes and contents may differ. */
function areAlike(before: readonly RegExpMatchArray[], after: readonly RegExpMatchArray[]): boolean {
  return (
    before.length === after.length &&
    before.every(([, end, name], index) => end === after[index]?.[1] && name === after[index]?.[2])
  );
}

function setAttributes(element: Element, before: string, after: string): void {
  const [old, wanted] = [attributesOf(before), attributesOf(after)];
  for (const [name, value] of wanted) if (old.get(name) !== value) element.setAttribute(name, plain(value));
  for (const name of old.keys()) if (!wanted.has(name)) element.removeAttribute(name);
}

/** Updates `element`, which was made from `before`, to `after`. It may be replaced by a new element. */
export function patch(element: Element, before: string, after: string): void {
  if (before === after) return;
  const [old, wanted] = [[...before.matchAll(TOKEN)], [...after.matchAll(TOKEN)]];
  if (!areAlike(old, wanted)) {
    element.outerHTML = after;
    return;
  }
  const nodes = document.createTreeWalker(element, NodeFilter.SHOW_ELEMENT | NodeFilter.SHOW_TEXT);
  let node: Node | null = element;
  wanted.forEach(([whole, end, , attributes = ""], index) => {
    if (end === "/") return;
    const was = old[index];
    if (was?.[0] !== whole) {
      if (node instanceof Element) setAttributes(node, was?.[3] ?? "", attributes);
      else if (node !== null) node.nodeValue = plain(whole);
    }
    node = nodes.nextNode();
  });
}
