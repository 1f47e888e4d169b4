/** What every page is made of: the document around it, and its sections. */
import { styleSheet } from "./style.ts";
import { type Child, element, escapeText, type Markup } from "./svg.ts";

/** A heading, a sentence about it, and what it is about. */
export function section(title: string, lead: string | undefined, ...content: readonly (Markup | undefined)[]): Markup {
  return element(
    "section",
    {},
    element("h2", {}, title),
    lead === undefined ? undefined : element("p", { class: "lead" }, lead),
    content,
  );
}

/** A whole HTML document with the pages' common style sheet and `css` behind it. */
export function document(title: string, css: string, ...content: readonly Child[]): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeText(title)}</title>
<style>${styleSheet}${css}</style>
</head>
<body>
${element("main", {}, ...content).markup}
</body>
</html>
`;
}
