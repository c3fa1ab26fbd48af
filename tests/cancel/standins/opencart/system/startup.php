<?php
require_once dirname(__DIR__) . '/shop.php';

function start($application_config)
{
    require_once(DIR_SYSTEM . 'framework.php');
}
