/**
 * Markup as strings: elements with escaped attributes and text, for SVG and HTML without a DOM.
 */

/** Markup, as opposed to text that must be escaped. */
export interface Markup {
  readonly markup: string;
}

export type Attributes = Readonly<Record<string, string | number | undefined>>;
export type Child = Markup | string | undefined | readonly Child[];

/** Escapes `text` for elements and quoted attributes. */
export function escapeText(text: string): string {
  return text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;").replace(/"/g, "&quot;");
}

function attributeText(value: string | number): string {
  return typeof value === "number" ? String(Math.round(value * 100) / 100) : escapeText(value);
}

function childText(child: Child): string {
  if (child === undefined) return "";
  if (typeof child === "string") return escapeText(child);
  return "markup" in child ? child.markup : child.map(childText).join("");
}

/** HTML elements without an end tag. */
const voidElements: ReadonlySet<string> = new Set(["br", "img"]);

/** `<name attributes>children</name>`. Attributes that are undefined are omitted, numbers are rounded to 1/100. */
export function element(name: string, attributes: Attributes = {}, ...children: readonly Child[]): Markup {
  const written = Object.entries(attributes)
    .map(([key, value]) => (value === undefined ? "" : ` ${key}="${attributeText(value)}"`))
    .join("");
  if (voidElements.has(name)) return { markup: `<${name}${written}>` };
  return { markup: `<${name}${written}>${children.map(childText).join("")}</${name}>` };
}

/** An `<svg>` with coordinates of `width` × `height`, and `label` for screen readers. */
export function svg(
  { width, height, label, className }: { width: number; height: number; label: string; className?: string },
  ...children: readonly Child[]
): Markup {
  return element(
    "svg",
    {
      xmlns: "http://www.w3.org/2000/svg",
      viewBox: `0 0 ${Math.ceil(width)} ${Math.ceil(height)}`,
      role: "img",
      "aria-label": label,
      class: className,
    },
    ...children,
  );
}
