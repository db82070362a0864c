//! COPY and ADD: files of the context, of another stage or of an image, by content taken from the cache.

use std::path::Path;

use kleene_plan::{DatasetName, Id};
use kleene_plugins::CopyAction;
use kleene_rootfs::Root;
use kleene_rootfs::archive::Limits;
use kleene_rootfs::copy::{CopyOptions, Digest, InlineFile, Origin, Selection};
use kleene_store::Object;

use super::Build;
use super::container::Purpose;
use super::key::{self, Copied};
use super::position::Position;
use super::stage::{Progress, Stage, Step};
use crate::error::Result;
use crate::transaction::Transaction;

/// Files of another stage or of an image.
struct Elsewhere {
    /// Of the container that has them, or will have them.
    id: Id,
    position: Position,
}

impl Stage<'_> {
    pub(super) fn copy(&self, action: &CopyAction, progress: &mut Progress) -> Result<Step> {
        match &action.origin {
            None => {
                let request = &self.build.request;
                let filter = |path: &Path, is_dir: bool| request.visible(path, is_dir);
                let context = Origin::context(&request.context, Some(&filter));
                self.copy_from_context(&context, action, progress)
            }
            Some(origin) => {
                let elsewhere = self.build.elsewhere(origin, self.plan.index)?;
                self.copy_from(&elsewhere, action, progress)
            }
        }
    }

    /// By content: where the files lie says nothing.
    pub(super) fn copy_from_context(
        &self,
        context: &Origin<'_>,
        action: &CopyAction,
        progress: &mut Progress,
    ) -> Result<Step> {
        let files = select(context, action, self.build)?;
        let key = self.content_key(action, progress, &files.digest()?);
        if let Some(found) = self.cached(&key, progress)? {
            return Ok(Step::Cached(found));
        }
        let before = files.stamp()?;
        self.container(progress)?;
        let object = Object::Container(progress.id.clone());
        self.build.request.engine.transact(
            "copy files",
            &object,
            |transaction| transaction.in_root(&self.dataset(progress), |_, root| write(&files, action, root)),
            |_, ()| Ok(()),
        )?;
        // What was changed while it was copied is not what the key says.
        let is_steady = files.stamp()? == before;
        Ok(Step::Done(is_steady.then_some(key).into_iter().collect()))
    }

    /// What is in the origin does not change: where it lies says enough, unless it was built anew with the same result.
    fn copy_from(&self, elsewhere: &Elsewhere, action: &CopyAction, progress: &mut Progress) -> Result<Step> {
        let build = self.build;
        let place = key::copy(
            &progress.position,
            action,
            build.request.rules(),
            Copied::Place(&elsewhere.position),
        );
        if let Some(found) = self.cached(&place, progress)? {
            return Ok(Step::Cached(found));
        }
        let engine = build.request.engine;
        let dataset = DatasetName::container(&elsewhere.id);
        // Mounted by one at a time, so that nobody unmounts it beneath another.
        engine.locks.hold(&elsewhere.id, || {
            build.ensure_container(&elsewhere.id, &elsewhere.position, Purpose::Files)?;
            let object = Object::Container(elsewhere.id.clone());
            let digest = engine.in_root(&object, &dataset, |root| {
                Ok(select(&Origin::image(root), action, build)?.digest()?)
            })?;
            let key = self.content_key(action, progress, &digest);
            if let Some(found) = self.cached(&key, progress)? {
                return Ok(Step::Cached(found));
            }
            self.container(progress)?;
            let copied = |transaction: &mut Transaction<'_>, from: &Root| {
                let origin = Origin::image(from);
                let files = select(&origin, action, build)?;
                transaction.in_root(&self.dataset(progress), |_, root| write(&files, action, root))
            };
            engine.transact(
                "copy files",
                &Object::Container(progress.id.clone()),
                |transaction| transaction.in_root(&dataset, copied),
                |_, ()| Ok(()),
            )?;
            Ok(Step::Done(vec![place, key]))
        })
    }

    fn content_key(&self, action: &CopyAction, progress: &Progress, digest: &Digest) -> String {
        let rules = self.build.request.rules();
        key::copy(&progress.position, action, rules, Copied::Content(digest))
    }
}

impl Build<'_> {
    /// What `--from` means: an earlier stage by name or number, or an image.
    fn elsewhere(&self, origin: &str, before: usize) -> Result<Elsewhere> {
        if let Some(stage) = self.graph.source(origin, before) {
            let done = self.stage_done(stage)?;
            return Ok(Elsewhere {
                id: done.id.clone(),
                position: done.position.clone(),
            });
        }
        let (_, position) = self.find_image(origin)?;
        Ok(Elsewhere {
            id: self.container_of(&position),
            position,
        })
    }
}

fn select<'a>(origin: &'a Origin<'a>, action: &CopyAction, build: &Build<'_>) -> Result<Selection<'a>> {
    let inline = action.inline.iter().map(|file| InlineFile {
        name: file.name.clone(),
        content: file.content.clone(),
    });
    let found = origin.select(&action.sources, build.request.rules())?;
    Ok(found.with_inline(inline))
}

fn write(files: &Selection<'_>, action: &CopyAction, root: &Root) -> Result<()> {
    let options = CopyOptions {
        owner: action
            .owner
            .as_deref()
            .map(|owner| root.owner(owner))
            .transpose()?,
        mode: action.mode,
        unpack: action.extract.then(Limits::default),
        ..CopyOptions::default()
    };
    files.copy(root, &action.destination, &options)?;
    Ok(())
}
