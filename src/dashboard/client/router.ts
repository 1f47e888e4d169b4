/** Addresses of the page's parts. Navigation between them does not reload the page. */
import { useEffect, useState } from "preact/hooks";

export type Route =
  | { readonly page: "runs" }
  | { readonly page: "new" }
  | { readonly page: "run"; readonly name: string }
  | { readonly page: "try"; readonly name: string }
  | { readonly page: "measure"; readonly run: string }
  | { readonly page: "compare"; readonly left: string; readonly right: string };

export const addresses = {
  runs: "/",
  newRun: "/new",
  run: (name: string): string => `/run/${encodeURIComponent(name)}`,
  try: (name: string): string => `/try/${encodeURIComponent(name)}`,
  measure: (run?: string): string => (run === undefined ? "/measure" : `/measure/${encodeURIComponent(run)}`),
  compare: (left: string, right: string): string =>
    `/compare?left=${encodeURIComponent(left)}&right=${encodeURIComponent(right)}`,
} as const;

/** Decodes a name in an address. A text with invalid escapes is returned unchanged. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export function routeOf(address: string): Route {
  const url = new URL(address, "http://page");
  const [, part = "", rest = ""] = url.pathname.split("/");
  const name = decoded(rest);
  if ((part === "run" || part === "try") && name !== "") return { page: part, name };
  if (part === "measure") return { page: "measure", run: name };
  if (part === "new") return { page: "new" };
  if (part === "compare") {
    return { page: "compare", left: url.searchParams.get("left") ?? "", right: url.searchParams.get("right") ?? "" };
  }
  return { page: "runs" };
}

const here = (): string => `${location.pathname}${location.search}`;

export function go(address: string): void {
  history.pushState(null, "", address);
  dispatchEvent(new PopStateEvent("popstate"));
  scrollTo(0, 0);
  // The focused element is gone. Focus the new content, so that screen readers continue there.
  document.getElementById("main")?.focus({ preventScroll: true });
}

/** The present address. Handles clicks on links to parts of the page. */
export function useAddress(): string {
  const [address, setAddress] = useState(here);
  useEffect(() => {
    const follow = (): void => setAddress(here());
    const onClick = (event: MouseEvent): void => {
      const link = event.target instanceof Element ? event.target.closest("a") : null;
      const isPlain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
      if (link === null || !isPlain || link.target !== "" || link.hasAttribute("download")) return;
      if (link.origin !== location.origin || link.hash !== "" || /^\/(runs|api)\//.test(link.pathname)) return;
      event.preventDefault();
      go(`${link.pathname}${link.search}`);
    };
    addEventListener("popstate", follow);
    document.addEventListener("click", onClick);
    return () => {
      removeEventListener("popstate", follow);
      document.removeEventListener("click", onClick);
    };
  }, []);
  return address;
}
