import svelte from "eslint-plugin-svelte";
import svelteParser from "svelte-eslint-parser";
import ts from "typescript-eslint";

import svelteConfig from "./svelte.config.js";

/** What a folder must not import, with the reason a reader needs. */
const layer = (files, ...patterns) => ({
  files,
  rules: { "no-restricted-imports": ["error", { patterns }] },
});

const tauri = { group: ["@tauri-apps/*"], message: "only lib/host/tauri.ts speaks to Tauri" };
const domain = {
  group: ["**/features/**", "**/state/**", "**/lib/ipc/**", "**/lib/host/**"],
  message: "components know no domain: pass it in",
};
const FEATURES = ["start", "images", "containers", "volumes", "networks", "projects", "settings", "machine", "tour"];
/** A feature may use `shared` and nothing of another feature. */
const alone = (name) =>
  layer([`src/features/${name}/**`], tauri, {
    group: FEATURES.filter((other) => other !== name).map((other) => `../${other}/*`),
    message: "a feature knows no other feature",
  });
/** Text that a person reads or hears and that no catalogue has: it would stay in one language. */
const outside = "this text is in no catalogue: put it into lib/i18n/en and every other";
const WORD = "/\\p{L}{2}/u";
const foreignText = [
  // What is marked `translate="no"` is a name that is the same in every language.
  `:not(SvelteStyleElement, SvelteScriptElement, SvelteElement[startTag.attributes.0.key.name="translate"]) > SvelteText[value=${WORD}]`,
  `SvelteAttribute[key.name=/^(aria-label|aria-description|aria-valuetext|title|alt|placeholder|label|text|copy|copied|none|help)$/] > SvelteLiteral[value=${WORD}]`,
  `SvelteAttribute[key.name=/^(aria-label|title|alt|placeholder|label|help)$/] > SvelteMustacheTag > :matches(Literal, TemplateLiteral > TemplateElement)[value=${WORD}]`,
].map((selector) => ({ selector, message: outside }));
const features = { group: ["**/features/**"], message: "only App.svelte puts features together" };

export default ts.config(
  { ignores: ["dist/**", "dist-mock/**", "dist-loopback/**", "src/lib/ipc/bindings/**"] },
  ...ts.configs.strictTypeChecked,
  ...svelte.configs["flat/recommended"],
  {
    languageOptions: {
      parserOptions: {
        projectService: true,
        tsconfigRootDir: import.meta.dirname,
        extraFileExtensions: [".svelte"],
      },
    },
    rules: {
      "@typescript-eslint/switch-exhaustiveness-check": "error",
      "@typescript-eslint/consistent-type-imports": "error",
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }],
      "svelte/no-at-html-tags": "error",
      "svelte/require-each-key": "error",
      eqeqeq: "error",
    },
  },
  {
    files: ["**/*.svelte", "**/*.svelte.ts"],
    languageOptions: { parser: svelteParser, parserOptions: { parser: ts.parser, svelteConfig } },
    rules: {
      // `let { x = $bindable(), y } = $props()` is one pattern.
      "prefer-const": "off",
      // ESLint sees another component's types as `any`; svelte-check sees them as they are.
      "@typescript-eslint/no-unsafe-argument": "off",
      "@typescript-eslint/no-unsafe-assignment": "off",
      "@typescript-eslint/no-unsafe-return": "off",
      "@typescript-eslint/no-unsafe-member-access": "off",
      "@typescript-eslint/no-unsafe-call": "off",
    },
  },
  { files: ["src/**/*.svelte"], ignores: ["src/test/**"], rules: { "no-restricted-syntax": ["error", ...foreignText] } },
  { files: ["*.js"], ...ts.configs.disableTypeChecked },
  layer(["src/**/*.{ts,svelte}"], tauri),
  layer(["src/state/**", "src/lib/**"], tauri, features),
  layer(["src/components/**"], tauri, domain),
  ...FEATURES.map(alone),
  { files: ["src/lib/host/tauri.ts"], rules: { "no-restricted-imports": "off" } },
);
