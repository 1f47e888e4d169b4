/** Shared parts of the HTML pages: the document and its sections. */
import { styleSheet } from "./style.ts";
import { type Child, element, escapeText, type Markup } from "./svg.ts";

/** A section: heading, introduction, content. */
export function section(title: string, lead: string | undefined, ...content: readonly (Markup | undefined)[]): Markup {
  return element(
    "section",
    {},
    element("h2", {}, title),
    lead === undefined ? undefined : element("p", { class: "lead" }, lead),
    content,
  );
}

/** A complete HTML document with the common style sheet, followed by `css`. */
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
