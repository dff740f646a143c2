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
/** A feature may use `shared` and nothing of another feature. */
const alone = (name) =>
  layer([`src/features/${name}/**`], tauri, {
    group: ["start", "images", "containers", "settings"].filter((other) => other !== name).map((other) => `../${other}/*`),
    message: "a feature knows no other feature",
  });
const features = { group: ["**/features/**"], message: "only App.svelte puts features together" };

export default ts.config(
  { ignores: ["dist/**", "dist-mock/**", "src/lib/ipc/bindings/**"] },
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
    },
  },
  { files: ["*.js"], ...ts.configs.disableTypeChecked },
  layer(["src/**/*.{ts,svelte}"], tauri),
  layer(["src/state/**", "src/lib/**"], tauri, features),
  layer(["src/components/**"], tauri, domain),
  ...["start", "images", "containers", "settings"].map(alone),
  { files: ["src/lib/host/tauri.ts"], rules: { "no-restricted-imports": "off" } },
);
