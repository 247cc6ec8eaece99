// Articles made from Markdown, against the schema of TipTap's own packages.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { getSchema } from "@tiptap/core";
import { generateHTML } from "@tiptap/html";
import StarterKit from "@tiptap/starter-kit";

const extensions = [StarterKit];
const schema = getSchema(extensions);
const articles = JSON.parse(readFileSync(process.env.HEADWAY_ARTICLES, "utf8"));

test("every article is a document of the schema", () => {
  assert.ok(articles.length > 0);
  for (const { markdown, document } of articles) {
    try {
      const node = schema.nodeFromJSON(document);
      node.check();
      // Nothing is lost when an editor loads the document and saves it again.
      assert.ok(schema.nodeFromJSON(node.toJSON()).eq(node));
    } catch (error) {
      assert.fail(`${JSON.stringify(markdown)}: ${error.message}\n${JSON.stringify(document)}`);
    }
  }
});

test("every article is rendered, and says what was written", () => {
  for (const { markdown, document, html } of articles) {
    const rendered = generateHTML(document, extensions);
    if (html !== undefined) assert.equal(rendered, html, markdown);
  }
});

test("no article brings script into the page", () => {
  for (const { markdown, document } of articles) {
    const rendered = generateHTML(document, extensions);
    assert.doesNotMatch(rendered, /<script|<iframe|href="(?!https?:|mailto:)/i, markdown);
  }
});
