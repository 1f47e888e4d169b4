/** What the build makes up; see vite.config.ts. */
declare module "virtual:report.css";
