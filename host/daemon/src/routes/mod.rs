//! The endpoints, one file per group of the contract. Handlers translate between HTTP and the engine and know
//! nothing else.

mod containers;
mod execs;
mod images;
mod networks;
mod system;
mod volumes;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::Method;

use crate::answer::NotFound;
use crate::app::App;
use crate::validation::LARGEST_BODY;

/// Endpoints, apart by method.
///
/// The method is chosen before the path because names of objects and words of the interface share places: a container
/// called `list` is removed by `DELETE /containers/list`. It also makes every wrong method an unknown route, HEAD
/// included, as the contract has it.
#[derive(Clone)]
pub struct Routes<S = ()> {
    get: Router<S>,
    post: Router<S>,
    delete: Router<S>,
}

impl Routes {
    /// All endpoints.
    #[must_use]
    pub fn new(app: &App) -> Self {
        let groups = [
            containers::routes(),
            execs::routes(),
            images::routes(),
            networks::routes(),
            system::routes(),
            volumes::routes(),
        ];
        let empty = || Routes {
            get: Router::new(),
            post: Router::new(),
            delete: Router::new(),
        };
        let all = groups.into_iter().fold(empty(), Routes::merge);
        let finish = |router: Router<App>| {
            router
                .fallback(async || NotFound)
                .layer(DefaultBodyLimit::max(LARGEST_BODY))
                .with_state(app.clone())
        };
        Self {
            get: finish(all.get),
            post: finish(all.post),
            delete: finish(all.delete),
        }
    }

    /// The endpoints of a method; `None` if it has none.
    #[must_use]
    pub fn of(&self, method: &Method) -> Option<&Router> {
        match *method {
            Method::GET => Some(&self.get),
            Method::POST => Some(&self.post),
            Method::DELETE => Some(&self.delete),
            _ => None,
        }
    }
}

impl Routes<App> {
    fn merge(self, other: Self) -> Self {
        Self {
            get: self.get.merge(other.get),
            post: self.post.merge(other.post),
            delete: self.delete.merge(other.delete),
        }
    }
}
