<?php
define('DIR_SYSTEM', __DIR__ . '/system/');
define('DB_PREFIX', 'oc_');
