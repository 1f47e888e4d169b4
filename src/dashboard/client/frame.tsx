/** The header and navigation around every part of the page. */
import type { ComponentChildren } from "preact";
import { addresses } from "./router.ts";

function Mark() {
  return (
    <svg viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="1.8" aria-hidden="true">
      <path d="M12 22V3M12 17H5V8M12 17h7V8M12 10H8.5V4M12 10h3.5V4" stroke-linecap="round" stroke-linejoin="round" />
    </svg>
  );
}

export function Frame({ children }: { readonly children: ComponentChildren }) {
  return (
    <>
      <a class="skip" href="#main">
        Skip to the content
      </a>
      <header class="bar">
        <a class="home" href={addresses.runs}>
          <Mark /> espalier
        </a>
        <nav aria-label="Parts of the page">
          <a href={addresses.runs}>Runs</a>
          <a href={addresses.newRun}>New run</a>
          <a href={addresses.measure()}>Measure</a>
        </nav>
      </header>
      <main id="main" tabIndex={-1}>
        {children}
      </main>
    </>
  );
}
