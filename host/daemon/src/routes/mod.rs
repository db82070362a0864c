//! The endpoints, one file per group of the contract. Handlers translate between HTTP and the engine and know
//! nothing else.

mod containers;
mod document;
mod execs;
mod images;
mod networks;
mod plans;
mod system;
mod volumes;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::handler::Handler;
use axum::http::Method;
use axum::routing;

use crate::answer::NotFound;
use crate::app::App;
use crate::validation::LARGEST_BODY;

/// Method and path of an endpoint; variable parts of the path stand in braces.
pub type Endpoint = (Method, &'static str);

/// Endpoints, apart by method.
///
/// The method is chosen before the path because names of objects and words of the interface share places: a container
/// called `list` is removed by `DELETE /containers/list`. It also makes every wrong method an unknown route, HEAD
/// included, as the contract has it.
#[derive(Clone)]
pub struct Routes {
    get: Router,
    post: Router,
    delete: Router,
}

impl Routes {
    /// All endpoints.
    #[must_use]
    pub fn new(app: &App) -> Self {
        let all = all();
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

/// Every endpoint that is served.
#[must_use]
pub fn endpoints() -> Vec<Endpoint> {
    all().endpoints
}

fn all() -> Group {
    let groups = [
        containers::group(),
        document::group(),
        execs::group(),
        images::group(),
        networks::group(),
        plans::group(),
        system::group(),
        volumes::group(),
    ];
    groups.into_iter().fold(Group::new(), Group::merge)
}

/// Endpoints that belong together, and what serves them.
struct Group {
    get: Router<App>,
    post: Router<App>,
    delete: Router<App>,
    endpoints: Vec<Endpoint>,
}

impl Group {
    fn new() -> Self {
        Self {
            get: Router::new(),
            post: Router::new(),
            delete: Router::new(),
            endpoints: Vec::new(),
        }
    }

    fn get<H: Handler<T, App>, T: 'static>(mut self, path: &'static str, handler: H) -> Self {
        self.get = self.get.route(path, routing::get(handler));
        self.endpoints.push((Method::GET, path));
        self
    }

    fn post<H: Handler<T, App>, T: 'static>(mut self, path: &'static str, handler: H) -> Self {
        self.post = self.post.route(path, routing::post(handler));
        self.endpoints.push((Method::POST, path));
        self
    }

    fn delete<H: Handler<T, App>, T: 'static>(mut self, path: &'static str, handler: H) -> Self {
        self.delete = self.delete.route(path, routing::delete(handler));
        self.endpoints.push((Method::DELETE, path));
        self
    }

    fn merge(mut self, other: Self) -> Self {
        self.endpoints.extend(other.endpoints);
        Self {
            get: self.get.merge(other.get),
            post: self.post.merge(other.post),
            delete: self.delete.merge(other.delete),
            endpoints: self.endpoints,
        }
    }
}
